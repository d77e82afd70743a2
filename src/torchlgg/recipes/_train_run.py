"""The epochs of a run, each kept before the next begins."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial

from torchlgg.nets import SavedNet
from torchlgg.recipes._job import Job
from torchlgg.recipes._observer import Observer
from torchlgg.recipes._run_config import RunConfig
from torchlgg.records import RunFolder, write_tensorboard
from torchlgg.training import EpochReport, Ranks, TrainingState, fit

STATE = "state.pt"
"""The file of a run that holds all that the next epoch depends on."""

MODEL = "model.safetensors"
"""The file with the network after the last epoch."""

BEST = "best.safetensors"
"""The file with the network after the epoch with the lowest validation error."""


def best_epoch(reports: Sequence[EpochReport]) -> int | None:
    """The epoch with the lowest validation error, the first of several; counted from 1.

    Args:
        reports: of every epoch.
    """
    found = [(r.validation_error, r.epoch) for r in reports if r.validation_error is not None]
    return min(found)[1] if found else None


def train(
    run: RunFolder, job: Job, state: TrainingState | None, observer: Observer
) -> list[EpochReport]:
    """Train from the state on; after each epoch the state is written first, as the truth.

    The other files follow from it, and are made anew from it where a kill came in between.

    Args:
        run: the folder, locked.
        job: what to do.
        state: where the run was stopped; ``None`` is its beginning.
        observer: told how it goes on.

    Returns:
        The reports of all epochs, those before the state too.
    """
    config, student, epochs = job.config, job.objective.student, job.config.training.epochs
    saved = SavedNet.describe(
        config.net.label,
        job.train,
        num_classes=config.net.output_width(len(job.train.class_names)),
        parseval=config.net.is_parseval,
        licence=_licence(config),
        unit_length=config.net.is_unit_length,
    )
    weights, best, state_file = run.path(MODEL), run.path(BEST), run.path(STATE)
    reports = list(state.reports) if state is not None else []

    # with averaged weights these are the network, and the student is trained on beside them
    net = student if config.engine.ema is None else copy.deepcopy(student)

    def write_weights(state: TrainingState) -> None:
        if net is not student:
            state.restore_network(net)
        saved.write(net, weights)
        if best_epoch(state.reports) == len(state.reports):
            saved.write(net, best)

    with observer.undisturbed():
        run.replace_metrics([asdict(report) for report in reports])
        if state is not None:
            state.restore_network(net)
            write_weights(state)
            observer.note(f"going on after epoch {state.epoch} of {epochs}")

    def keep(state: TrainingState) -> None:
        with observer.undisturbed():
            state.write(state_file)
            write_weights(state)
            run.append_metrics(asdict(state.reports[-1]))
            if config.engine.tensorboard:
                write_tensorboard(run.metrics(), run.path("tensorboard"))

    with observer.training(epochs, finished=len(reports)):
        reports += _epochs(job, state, observer, keep)
    if net is not student:
        student.load_state_dict(net.state_dict())
    return reports


def follow(job: Job, state: TrainingState | None, observer: Observer) -> None:
    """Take part in the training of a run that rank 0 keeps and measures.

    Args:
        job: what to do.
        state: where the run was stopped; ``None`` is its beginning.
        observer: may stop all ranks.
    """
    done = state.epoch if state is not None else 0
    with observer.training(job.config.training.epochs, finished=done):
        for _ in _epochs(job, state, observer, lambda state: None):
            pass


def _epochs(
    job: Job,
    state: TrainingState | None,
    observer: Observer,
    keep: Callable[[TrainingState], None],
) -> Iterator[EpochReport]:
    """Train from the state on; where several processes do, all stop when one does."""
    config, ranks = job.config, Ranks.current()
    for report in fit(
        job.objective,
        job.train,
        config.training,
        config.engine,
        validation=job.validation,
        resume=state,
        on_step=observer.step,
        on_state=keep,
    ):
        ranks.together(partial(observer.epoch, report, config.training.epochs))
        yield report


def _licence(config: RunConfig) -> str | None:
    """Of all weights that the network learns from, as far as their user gave it."""
    teacher = config.teacher if config.task.needs_teacher else None
    given = [net.licence for net in (teacher, config.net) if net is not None and net.licence]
    return "; ".join(dict.fromkeys(given)) or None
