"""``lgg distill``: from words to a trained student and its records."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from torchlgg.cli._distill_request import DistillRequest, recorded_request
from torchlgg.cli._screen import (
    check_out,
    choose_device,
    command_line,
    console,
    device_names,
    epoch_line,
    progress_bar,
    recorded,
    training_bar,
)
from torchlgg.cli._stop import OutOfTime, Signals, TimeBudget, ended_by_signals
from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images, split_validation
from torchlgg.evaluation import evaluate
from torchlgg.nets import build_net
from torchlgg.records import Result, RunFolder, differences, environment
from torchlgg.training import (
    EpochReport,
    Objective,
    SavedNet,
    TrainingConfig,
    TrainingState,
    check_fit,
    device_of,
    fingerprint,
    fit,
    load_net,
    predict,
)

_STATE = "state.pt"


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A request with all that was read and built for it."""

    request: DistillRequest
    device: torch.device
    objective: Objective
    train: ImageSet
    validation: ImageSet | None
    test: ImageSet


def run_distill(
    request: DistillRequest, *, out: Path, overwrite: bool, time_budget: str | None
) -> None:
    """Train, save and measure the student; everything that can be checked is checked first."""
    budget = TimeBudget(time_budget)
    with ended_by_signals() as signals:
        check_out(out, overwrite=overwrite, reads=[request.data, request.teacher_weights])
        job = _prepare(request)
        run = RunFolder.create(
            out,
            command=command_line(),
            config=asdict(request),
            seeds=[request.training.seed],
            gpus=device_names(job.device),
            overwrite=overwrite,
        )
        with run.locked():
            _train_and_measure(run, job, None, signals=signals, budget=budget)


def resume_distill(folder: Path, *, time_budget: str | None) -> None:
    """Go on with a run after its last whole epoch; say so if there is nothing left to do."""
    budget = TimeBudget(time_budget)
    with ended_by_signals() as signals:
        run = RunFolder.open(folder)
        request = recorded_request(run)
        if run.info.status == "finished":
            console.print(f"the run in {run.folder} is finished: there is nothing to resume")
            return
        with run.locked():
            job = _prepare(request)
            place = run.path(_STATE)
            state = TrainingState.read(place) if place.exists() else None
            if state is not None:
                asked = fingerprint(job.objective, job.train, request.training, job.validation)
                state.compare(asked)
            changes = differences(run.info.environment, environment(gpus=device_names(job.device)))
            threads = torch.get_num_threads()
            if state is not None and state.threads != threads:
                changes += (f"the threads of the CPU were {state.threads} and are {threads}",)
            run.resume(changes=changes)
            for change in changes:
                console.print(f"since this run began, {change}: the weights may differ in rounding")
            _train_and_measure(run, job, state, signals=signals, budget=budget)


def _prepare(request: DistillRequest) -> _Job:
    """Read and build everything, and try it on one batch; nothing is written."""
    device = choose_device(request.device)
    losses = request.distillation.names
    if losses and request.teacher_weights is None:
        raise InputError(
            f"`--loss {'+'.join(losses)}` needs a teacher: pass --teacher-weights (or --loss none)"
        )
    with progress_bar("reading images") as progress:
        train, test = open_images(
            request.data, limit=request.limit, image_size=request.image_size, progress=progress
        )
    validation: ImageSet | None = None
    if request.validation:
        train, validation = split_validation(train, fraction=request.validation)
    teacher = None
    if losses and request.teacher_weights is not None:
        teacher = load_net(request.teacher_net, request.teacher_weights, train)[0].to(device)
    torch.manual_seed(request.training.seed)
    student = build_net(
        request.student_net,
        num_classes=len(train.class_names),
        in_channels=train.images.shape[1],
    ).to(device)
    objective = Objective(student, teacher=teacher, config=request.distillation)
    _rehearse(objective, train, request.training)
    return _Job(
        request=request,
        device=device,
        objective=objective,
        train=train,
        validation=validation,
        test=test,
    )


def _train_and_measure(
    run: RunFolder,
    job: _Job,
    state: TrainingState | None,
    *,
    signals: Signals,
    budget: TimeBudget,
) -> None:
    teacher, test = job.objective.teacher, job.test
    resume = shlex.join(["lgg", "distill", "--resume", str(run.folder)])
    with recorded(run, resume=resume):
        console.print(
            f"{len(job.train)} training images, {len(job.validation or ())} for validation, "
            f"{len(test)} for the test; {job.request.student_net} on {job.device}"
        )
        teacher_logits = None
        if teacher is not None:
            with progress_bar("teacher") as progress:
                teacher_logits = predict(teacher, test, progress=progress)
            found = evaluate(teacher, test, subject="teacher", logits=teacher_logits)
            _write_once(run, found)
            console.print(f"teacher: {found.measurements[0]}")
        _train(run, job, state, signals=signals, budget=budget)
        _report(run, job.request, job.objective, teacher_logits, test)


def _write_once(run: RunFolder, result: Result) -> None:
    """Keep a result, unless the run did so before it was stopped."""
    if all(kept.subject != result.subject for kept in run.results()):
        run.write_result(result)


def _rehearse(objective: Objective, train: ImageSet, config: TrainingConfig) -> None:
    """Fail before anything is written if the networks, taps, losses and images do not fit."""
    check_fit(objective, train, config)
    count = objective.smallest_batch
    device = device_of(objective.student)
    inputs = train.normalize(train.images[:count].to(device))
    try:
        objective.rehearse(inputs, train.labels[:count].to(device))
    except InputError:
        raise
    except (RuntimeError, AssertionError, ValueError) as error:  # a network's own words
        channels, *size = inputs.shape[1:]
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"the networks cannot take images of {channels} x {' x '.join(map(str, size))}: "
            f"{reason}; another `--image-size` may do"
        ) from error


def _train(
    run: RunFolder,
    job: _Job,
    state: TrainingState | None,
    *,
    signals: Signals,
    budget: TimeBudget,
) -> None:
    """Train from the state on; after each epoch the state is written first, as the truth.

    The other files follow from it, and are made anew from it where a kill came in between.
    """
    request, student, epochs = job.request, job.objective.student, job.request.training.epochs
    saved = SavedNet.describe(request.student_net, job.train)
    weights, state_file = run.path("student.safetensors"), run.path(_STATE)
    reports = list(state.reports) if state is not None else []
    with signals.wait():
        run.replace_metrics([asdict(report) for report in reports])
        if state is not None:
            state.restore_student(student)
            saved.write(student, weights)
            console.print(f"going on after epoch {state.epoch} of {epochs}")

    def keep(state: TrainingState) -> None:
        with signals.wait():
            state.write(state_file)
            saved.write(student, weights)
            run.append_metrics(asdict(state.reports[-1]))

    def on_step(done: int, total: int) -> None:
        show_step(done, total)
        if done < total:
            budget.check()

    with training_bar(epochs, finished=len(reports)) as (show_step, say):
        budget.begin()
        try:
            for report in fit(
                job.objective,
                job.train,
                request.training,
                validation=job.validation,
                resume=state,
                on_step=on_step,
                on_state=keep,
            ):
                say(epoch_line(report, epochs))
                reports.append(report)
                if report.epoch < epochs:
                    budget.end()
        except OutOfTime as spent:
            raise OutOfTime(f"{spent} after epoch {len(reports)} of {epochs}") from None
    console.print(_time_by_part(reports))


def _time_by_part(reports: list[EpochReport]) -> str:
    """Where the time of a step went, the graph loss among it."""
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds.update(report.part_seconds)
    total = sum(seconds.values())
    parts = ", ".join(
        f"{part} {100 * value / total:.1f} %" for part, value in seconds.most_common()
    )
    step = 1000 * sum(r.seconds for r in reports) / sum(r.steps for r in reports)
    lines = [f"a step took {step:.1f} ms: {parts}"]
    if "gkd" in seconds:
        share = seconds["gkd"] / total
        lines.append(
            f"the graph loss took {share * step:.1f} ms of it, {100 * share:.1f} %, forward and "
            "backward"
        )
    return "\n".join(lines)


def _report(
    run: RunFolder,
    request: DistillRequest,
    objective: Objective,
    teacher_logits: Tensor | None,
    test: ImageSet,
) -> None:
    with progress_bar("test images") as progress:
        result = evaluate(
            objective.student,
            test,
            subject="student",
            teacher=objective.teacher,
            teacher_logits=teacher_logits,
            student_taps=request.distillation.student_taps,
            teacher_taps=request.distillation.teacher_taps,
            tags={
                "network": request.student_net,
                "method": "+".join(request.distillation.names) or "none",
                "seed": str(request.training.seed),
            },
            progress=progress,
        )
    _write_once(run, result)
    for measurement in result.measurements:
        console.print(f"student: {measurement}")
    console.print(f"the student is {run.path('student.safetensors')}")
