"""``lgg train``: from a recipe to a trained network and its records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from torchlgg.cli._screen import (
    check_out,
    command_line,
    console,
    epoch_line,
    progress_bar,
    recorded,
    training_bar,
)
from torchlgg.cli._stop import OutOfTime, Signals, Stopped, TimeBudget, ended_by_signals
from torchlgg.core import InputError
from torchlgg.recipes import (
    STATE,
    Observer,
    RunConfig,
    create_run,
    execute,
    follow,
    from_plain,
    gpu_names,
    prepare,
    resume_command,
    tap_report,
)
from torchlgg.records import RunFolder, differences, environment
from torchlgg.training import (
    EpochReport,
    Ranks,
    StoppedElsewhere,
    TrainingState,
    fingerprint,
    launched_ranks,
)


class Screen(Observer):
    """A person at a terminal, who may be impatient."""

    def __init__(self, signals: Signals, budget: TimeBudget) -> None:
        self._signals = signals
        self._budget = budget
        self._epochs_done = 0
        self._show_step: Callable[[int, int], None] = lambda done, total: None
        self._say: Callable[[str], None] = console.print

    def note(self, text: str) -> None:
        """Print it."""
        self._say(text)

    def part(self, name: str) -> contextlib.AbstractContextManager[Callable[[int, int], None]]:
        """A bar."""
        return progress_bar(name)

    @contextlib.contextmanager
    def training(self, epochs: int, *, finished: int) -> Iterator[None]:
        """A bar over all steps; the budget counts from here."""
        self._epochs_done = finished
        bar = training_bar(epochs, finished=finished)
        with _stopping_together(self._signals), bar as (self._show_step, self._say):
            self._budget.begin()
            try:
                yield
            except OutOfTime as spent:
                done = f"after epoch {self._epochs_done} of {epochs}"
                raise OutOfTime(f"{spent} {done}") from None
            finally:
                self._say = console.print

    def step(self, done: int, total: int) -> None:
        """Move the bar; stop if the time is over."""
        self._show_step(done, total)
        self._signals.check()
        if done < total:
            self._budget.check()

    def epoch(self, report: EpochReport, epochs: int) -> None:
        """Print it; stop if another one does not fit into the time."""
        self._say(epoch_line(report, epochs))
        self._epochs_done = report.epoch
        if report.epoch < epochs:
            self._budget.end()

    def undisturbed(self) -> contextlib.AbstractContextManager[None]:
        """Signals wait."""
        return self._signals.wait()


class Follower(Observer):
    """One of several processes, of which another has the screen and the files."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals

    def training(self, epochs: int, *, finished: int) -> contextlib.AbstractContextManager[None]:
        """Signals wait for the end of a step."""
        return _stopping_together(self._signals)

    def step(self, done: int, total: int) -> None:
        """Stop at a signal."""
        self._signals.check()


def _stopping_together(signals: Signals) -> contextlib.AbstractContextManager[None]:
    """Where several processes train, put signals off to the end of a step, where all may stop."""
    return signals.wait() if Ranks.current().count > 1 else contextlib.nullcontext()


def train_one(config: RunConfig, *, out: Path, overwrite: bool, time_budget: str | None) -> None:
    """Train, save and measure; everything that can be checked is checked first."""
    budget = TimeBudget(time_budget)
    with ended_by_signals() as signals, launched_ranks(config.engine.device) as ranks:
        if ranks.rank:
            _follow(config, None, signals)
            return
        screen = Screen(signals, budget)
        teacher = config.teacher.weights if config.teacher is not None else None
        check_out(out, overwrite=overwrite, reads=[config.data.source, teacher, config.net.weights])
        job = prepare(config, screen)
        run = create_run(job, out, command=command_line(), overwrite=overwrite)
        with run.locked(), recorded(run, resume=resume_command(run)):
            execute(run, job, None, screen)


def resume_one(folder: Path, *, time_budget: str | None) -> None:
    """Go on with a run after its last whole epoch; say so if there is nothing left to do."""
    budget = TimeBudget(time_budget)
    run = RunFolder.open(folder)
    config = _recorded(run)
    with ended_by_signals() as signals, launched_ranks(config.engine.device) as ranks:
        screen = Screen(signals, budget)
        if ranks.rank:
            if run.info.status != "finished":
                place = run.path(STATE)
                _follow(config, TrainingState.read(place) if place.exists() else None, signals)
            return
        if run.info.status == "finished":
            console.print(f"the run in {run.folder} is finished: there is nothing to resume")
            return
        with run.locked():
            job = prepare(config, screen)
            place = run.path(STATE)
            state = TrainingState.read(place) if place.exists() else None
            if state is not None:
                asked = fingerprint(
                    job.objective, job.train, config.training, job.validation, config.engine
                )
                state.compare(asked)
            changes = differences(run.info.environment, environment(gpus=gpu_names(job.device)))
            threads = torch.get_num_threads()
            if state is not None and state.threads != threads:
                changes += (f"the threads of the CPU were {state.threads} and are {threads}",)
            run.resume(changes=changes)
            for change in changes:
                console.print(f"since this run began, {change}: the weights may differ in rounding")
            with recorded(run, resume=resume_command(run)):
                execute(run, job, state, screen)


def _follow(config: RunConfig, state: TrainingState | None, signals: Signals) -> None:
    """Take part in a run that rank 0 keeps."""
    observer = Follower(signals)
    try:
        follow(prepare(config, observer), state, observer)
    except (StoppedElsewhere, Stopped):
        return  # rank 0 says why, and with which exit code


def list_taps(config: RunConfig) -> None:
    """Print which layers would be compared, and which there are; nothing is trained."""
    with ended_by_signals() as signals:
        job = prepare(config, Screen(signals, TimeBudget(None)))
        console.print(tap_report(job), markup=False)


def _recorded(run: RunFolder) -> RunConfig:
    """What was asked for in this run."""
    config = run.info.config
    if not {"data", "net", "task", "training"} <= set(config):
        raise InputError(
            f"{str(run.folder)!r} is not a run of `lgg train` or `lgg distill`, so it cannot be "
            "resumed"
        )
    try:
        return from_plain(config)
    except InputError as error:
        raise InputError(
            f"the configuration in {str(run.path('run.json'))!r} does not fit this torchlgg: "
            f"{error}"
        ) from error
