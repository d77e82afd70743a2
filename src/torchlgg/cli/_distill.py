"""``lgg distill``: from words to a trained student and its records."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from torchlgg.cli._screen import (
    choose_device,
    command_line,
    console,
    device_names,
    epoch_line,
    progress_bar,
    recorded,
    training_bar,
)
from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images, split_validation
from torchlgg.evaluation import evaluate
from torchlgg.nets import build_net
from torchlgg.records import RunFolder
from torchlgg.training import (
    DistillationConfig,
    EpochReport,
    Objective,
    SavedNet,
    TrainingConfig,
    device_of,
    fit,
    load_net,
    predict,
)


@dataclass(frozen=True, kw_only=True)
class DistillRequest:
    """All that ``lgg distill`` was asked for; the configuration in the run's record."""

    data: str
    limit: int | None
    image_size: int | None
    validation: float
    teacher_net: str | None
    teacher_weights: Path | None
    student_net: str
    device: str
    training: TrainingConfig
    distillation: DistillationConfig


def run_distill(request: DistillRequest, *, out: Path, overwrite: bool) -> None:
    """Train, save and measure the student; everything that can be checked is checked first."""
    device = choose_device(request.device)
    RunFolder.check(out, overwrite=overwrite)
    losses = request.distillation.losses
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
    run = RunFolder.create(
        out,
        command=command_line(),
        config=asdict(request),
        seeds=[request.training.seed],
        gpus=device_names(device),
        overwrite=overwrite,
    )
    with recorded(run):
        console.print(
            f"{len(train)} training images, {len(validation or ())} for validation, "
            f"{len(test)} for the test; {request.student_net} on {device}"
        )
        teacher_logits = None
        if teacher is not None:
            with progress_bar("teacher") as progress:
                teacher_logits = predict(teacher, test, progress=progress)
            found = evaluate(teacher, test, subject="teacher", logits=teacher_logits)
            run.write_result(found)
            console.print(f"teacher: {found.measurements[0]}")
        _train(run, request, objective, train, validation)
        _report(run, request, objective, teacher_logits, test)


def _rehearse(objective: Objective, train: ImageSet, config: TrainingConfig) -> None:
    """Fail before anything is written if the networks, taps, losses and images do not fit."""
    count = objective.smallest_batch
    if min(config.batch_size, len(train)) < count:
        raise InputError(
            f"`--k {count - 1}` needs batches of at least {count} images; the batch size is "
            f"{config.batch_size} and there are {len(train)} training images"
        )
    device = device_of(objective.student)
    inputs = train.normalize(train.images[:count].to(device))
    objective.rehearse(inputs, train.labels[:count].to(device))


def _train(
    run: RunFolder,
    request: DistillRequest,
    objective: Objective,
    train: ImageSet,
    validation: ImageSet | None,
) -> None:
    saved = SavedNet.describe(request.student_net, train)
    weights = run.path("student.safetensors")
    reports: list[EpochReport] = []
    with training_bar(request.training.epochs) as (on_step, say):
        for report in fit(
            objective, train, request.training, validation=validation, on_step=on_step
        ):
            saved.write(objective.student, weights)
            run.append_metrics(asdict(report))
            say(epoch_line(report, request.training.epochs))
            reports.append(report)
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
                "method": "+".join(request.distillation.losses) or "none",
                "seed": str(request.training.seed),
            },
            progress=progress,
        )
    run.write_result(result)
    for measurement in result.measurements:
        console.print(f"student: {measurement}")
    console.print(f"the student is {run.path('student.safetensors')}")
