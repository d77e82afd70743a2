"""The training loop: epochs over an image set, one report each. Shapes: N examples of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch

from torchlgg.core import InputError
from torchlgg.data import ImageSource
from torchlgg.training._average import weight_average
from torchlgg.training._clock import Clock
from torchlgg.training._config import TrainingConfig
from torchlgg.training._engine_config import EngineConfig
from torchlgg.training._epoch import train_epoch
from torchlgg.training._epoch_report import EpochReport
from torchlgg.training._fingerprint import fingerprint
from torchlgg.training._objective import Objective
from torchlgg.training._passes import Passes, check_engine
from torchlgg.training._predict import device_of
from torchlgg.training._ranks import Ranks
from torchlgg.training._state import Moving, TrainingState
from torchlgg.training._teacher_cache import check_cache
from torchlgg.training._validate import label_smoothness, validation_error


def fit(
    objective: Objective,
    train: ImageSource,
    config: TrainingConfig,
    engine: EngineConfig = EngineConfig(),  # noqa: B008  (frozen)
    *,
    validation: ImageSource | None = None,
    resume: TrainingState | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_state: Callable[[TrainingState], None] | None = None,
) -> Iterator[EpochReport]:
    """Train the objective's student, one epoch per item of the iterator.

    The learning rate, the order of the examples and the augmentation follow ``config``; the same
    seed, data, versions and device give the same weights. A last batch that is too small for the
    losses (:attr:`Objective.smallest_batch`) is left out of its epoch. A run that goes on from a
    state ends, on the CPU, in the same bits as one that was never stopped.

    Where ``torch.distributed`` runs (:func:`launched_ranks`), all its processes must call this
    with the same arguments: each takes its rows of every batch, and the losses see all of it.

    Args:
        objective: the student, the teacher and the losses.
        train: the images to learn from.
        config: the schedule.
        engine: how it is carried out; the device is that of the student's parameters.
        validation: images to measure the error on after each epoch.
        resume: the state to go on from, of a run with the same arguments; the student's own
            weights are replaced.
        on_step: told (steps done, steps of the epoch); where it raises on one rank, all stop.
        on_state: given the state after each epoch, before the report of it comes.

    Yields:
        An :class:`EpochReport` after each epoch that is trained here. Stop iterating to stop
        training.

    Raises:
        InputError: a batch size or a training set too small for the losses, a state of other
            arguments, or an engine that cannot be had (see :func:`check_fit`).
        DivergedError: a term that turned NaN or infinite, by name, with the epoch and the step, or
            a weight that did. The epoch leaves no state: the last one given is good.

    Example:
        >>> import torch
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import Objective, TrainingConfig, fit
        >>> _ = torch.manual_seed(0)
        >>> net = build_net("small_cnn-4", num_classes=10, in_channels=1)
        >>> digits = open_images("digits", limit=128).train
        >>> config = TrainingConfig(epochs=1, batch_size=64, crop_padding=1, flip=False)
        >>> [report.steps for report in fit(Objective(net), digits, config)]
        [2]
    """
    check_fit(objective, train, config, engine)
    student, ranks = objective.student, Ranks.current()
    asked = {}
    if resume is not None or on_state is not None:
        asked = fingerprint(objective, train, config, validation, engine)
    if resume is not None:
        resume.compare(asked)
    if engine.channels_last:
        for laid_out in (student, objective.teacher):
            if laid_out is not None:
                laid_out.to(memory_format=torch.channels_last)
    ranks.share_from_first(student)
    average = None if engine.ema is None else weight_average(student, engine.ema)
    passes = Passes(student, objective.teacher, objective.task, engine, ranks=ranks)
    moving = Moving(
        objective=objective,
        optimizer=config.build_optimizer(student),
        order=torch.Generator().manual_seed(config.seed),
        scaler=passes.scaler,
        average=average,
        ranks=ranks,
    )
    torch.manual_seed(config.seed + ranks.rank)  # for layers that draw, such as dropout
    reports: list[EpochReport] = []
    if resume is not None:
        resume.restore(moving)
        reports += resume.reports
    net = student if average is None else average.module
    clock = Clock(device_of(student))
    try:
        if len(reports) < config.epochs:
            passes.prepare(train, config)
        for epoch in range(len(reports), config.epochs):
            if config.fresh_optimizer and epoch in config.decay_epochs:
                moving = replace(moving, optimizer=config.build_optimizer(student))
            report = train_epoch(epoch, moving, passes, train, config, clock=clock, on_step=on_step)
            for trained in dict.fromkeys((student, net)):
                ranks.share_from_first(trained)  # each has statistics of batch norm of its own
            if validation is not None:
                error = validation_error(net, objective.task, train, validation)
                report = replace(report, validation_error=error)
            if engine.watch is not None:
                found = label_smoothness(net, engine.watch, validation or train)
                report = replace(report, smoothness=found)
            reports.append(report)
            if on_state is not None:
                ranks.together(partial(on_state, TrainingState.take(moving, reports, asked)))
            yield report
    finally:
        passes.close()


def check_fit(
    objective: Objective,
    train: ImageSource,
    config: TrainingConfig,
    engine: EngineConfig = EngineConfig(),  # noqa: B008  (frozen)
) -> None:
    """Raise unless the losses, the images, the schedule and the engine go together.

    Args:
        objective: the losses.
        train: the images to learn from.
        config: the schedule.
        engine: how it is carried out.

    Raises:
        InputError: a batch size or a training set too small for the losses, a padding as wide
            as an image, a teacher whose outputs cannot be kept, or a device that cannot do what
            the engine asks for.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import Objective, TrainingConfig, check_fit
        >>> net = build_net("small_cnn-4", num_classes=10, in_channels=1)
        >>> check_fit(Objective(net), open_images("digits").train, TrainingConfig())
    """
    smallest = max(objective.smallest_batch, Ranks.current().count)
    if min(len(train), config.batch_size) < smallest:
        raise InputError(
            f"a batch must hold at least {smallest} examples for these losses (k neighbours need "
            f"k + 1); the batch size is {config.batch_size} and there are {len(train)} training "
            "images"
        )
    if config.crop_padding >= min(train.shape[1:]):
        raise InputError(
            f"`crop_padding` must be less than the side of an image, or a crop may hold nothing of "
            f"it; got {config.crop_padding} for images of "
            f"{' x '.join(map(str, train.shape[1:]))}"
        )
    check_engine(engine, device_of(objective.student))
    if engine.cache_teacher:
        check_cache(objective.teacher, objective.task, train, config, engine)
