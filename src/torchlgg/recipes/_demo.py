"""The demonstration: a teacher on the digits, and students by four losses at equal budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import torch
from torch import nn

from torchlgg.data import ImageSource, open_images, split_validation
from torchlgg.evaluation import evaluate, summarize
from torchlgg.nets import SavedNet, build_net
from torchlgg.records import Result, RunFolder
from torchlgg.training import (
    Distill,
    EpochReport,
    Objective,
    TrainingConfig,
    fit,
    parse_losses,
)


def _digits_schedule() -> TrainingConfig:
    return TrainingConfig(epochs=30, batch_size=64, crop_padding=1, flip=False)


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Everything the demonstration does.

    Args:
        data: for :func:`~torchlgg.data.open_images`.
        teacher_net: for :func:`~torchlgg.nets.build_net`.
        student_net: the same.
        methods: sums of losses, one row of the table each; ``"none"`` is the student alone.
        seeds: one student of each method per seed; the same seed gives the same initial weights,
            batches and crops to every method.
        schedule: of the teacher and of every student; its ``seed`` is the teacher's.
        validation: the fraction of the training images that is held out and measured on.

    Example:
        >>> from torchlgg.recipes import DemoConfig
        >>> DemoConfig().methods
        ('none', 'hkd', 'rkd', 'gkd')
    """

    data: str = "digits"
    teacher_net: str = "small_cnn-16"
    student_net: str = "small_cnn-3"
    methods: tuple[str, ...] = ("none", "hkd", "rkd", "gkd")
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    schedule: TrainingConfig = field(default_factory=_digits_schedule)
    validation: float = 0.1


@dataclass(frozen=True, kw_only=True)
class DemoProgress:
    """Where the demonstration is.

    Args:
        network: which network is being trained, from 1.
        networks: how many there are.
        subject: its name in words.
        report: of the epoch that just ended.
        epochs: of each network.
    """

    network: int
    networks: int
    subject: str
    report: EpochReport
    epochs: int


def run_demo(
    run: RunFolder,
    config: DemoConfig,
    *,
    on_epoch: Callable[[DemoProgress], None] | None = None,
) -> list[Result]:
    """Train the teacher and the students, and write what came out into the run folder.

    ``metrics.jsonl`` gets a line per epoch, ``results.jsonl`` a result per network and a summary
    per method, and each network's weights lie beside them.

    Args:
        run: an empty run folder.
        config: what to do.
        on_epoch: told after every epoch.

    Returns:
        The summary of each method: means over the seeds with Student's 95 % interval.

    Example:
        >>> import tempfile
        >>> from torchlgg.recipes import DemoConfig, run_demo
        >>> from torchlgg.records import RunFolder
        >>> from torchlgg.training import TrainingConfig
        >>> config = DemoConfig(methods=("none",), seeds=(0,), student_net="small_cnn-2",
        ...     teacher_net="small_cnn-2", schedule=TrainingConfig(epochs=1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = RunFolder.create(f"{folder}/demo", command="lgg demo", config={})
        ...     [summary.tags["method"] for summary in run_demo(run, config)]
        ['none']
    """
    splits = open_images(config.data, in_memory=True)
    train, validation = split_validation(splits.train, fraction=config.validation)
    networks = 1 + len(config.seeds) * len(config.methods)
    trained = 0

    def train_one(subject: str, name: str, objective: Objective, schedule: TrainingConfig) -> None:
        nonlocal trained
        trained += 1
        for report in fit(objective, train, schedule, validation=validation):
            run.append_metrics({"subject": subject, **asdict(report)})
            if on_epoch is not None:
                on_epoch(
                    DemoProgress(
                        network=trained,
                        networks=networks,
                        subject=subject,
                        report=report,
                        epochs=schedule.epochs,
                    )
                )
        path = run.path(f"{subject.replace(' ', '-')}.safetensors")
        SavedNet.describe(name, train).write(objective.student, path)

    teacher = _seeded_net(config.teacher_net, train, config.schedule.seed)
    train_one("teacher", config.teacher_net, Objective(teacher), config.schedule)
    run.write_result(
        evaluate(teacher, splits.test, subject="teacher", tags={"network": config.teacher_net})
    )
    summaries = []
    for method in config.methods:
        results = []
        for seed in config.seeds:
            subject = f"student {method} seed {seed}"
            student = _seeded_net(config.student_net, train, seed)
            objective = Objective(
                student, teacher=teacher, task=Distill(losses=parse_losses(method))
            )
            schedule = TrainingConfig(**(asdict(config.schedule) | {"seed": seed}))
            train_one(subject, config.student_net, objective, schedule)
            result = evaluate(
                student,
                splits.test,
                subject=subject,
                teacher=teacher,
                tags={"network": config.student_net, "method": method, "seed": str(seed)},
            )
            run.write_result(result)
            results.append(result)
        summaries += summarize(results, by=("method",))
        run.write_result(summaries[-1])
    return summaries


def _seeded_net(name: str, images: ImageSource, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build_net(name, num_classes=len(images.class_names), in_channels=images.shape[0])
