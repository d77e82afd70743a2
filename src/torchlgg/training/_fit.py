"""The training loop: epochs over an image set, one report each. Shapes: N examples of a batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from statistics import fmean

import torch
from torch import nn

from torchlgg.core import InputError
from torchlgg.data import ImageSet, batches, random_crop_flip
from torchlgg.metrics import error_rate
from torchlgg.training._clock import Clock
from torchlgg.training._config import TrainingConfig
from torchlgg.training._epoch_report import EpochReport
from torchlgg.training._objective import Objective
from torchlgg.training._predict import device_of, predict
from torchlgg.training._state import TrainingState, fingerprint


class DivergedError(InputError):
    """A term of the objective, or a weight, turned NaN or infinite.

    Example:
        >>> from torchlgg.core import InputError
        >>> from torchlgg.training import DivergedError
        >>> issubclass(DivergedError, InputError)
        True
    """


def fit(
    objective: Objective,
    train: ImageSet,
    config: TrainingConfig,
    *,
    validation: ImageSet | None = None,
    resume: TrainingState | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_state: Callable[[TrainingState], None] | None = None,
) -> Iterator[EpochReport]:
    """Train the objective's student, one epoch per item of the iterator.

    The learning rate, the order of the examples and the augmentation follow ``config``; the same
    seed, data, versions and device give the same weights. A last batch that is too small for the
    losses (:attr:`Objective.smallest_batch`) is left out of its epoch. A run that goes on from a
    state ends, on the CPU, in the same bits as one that was never stopped.

    Args:
        objective: the student, the teacher and the losses.
        train: the images to learn from; best on the device of the student.
        config: the schedule.
        validation: images to measure the error on after each epoch.
        resume: the state to go on from, of a run with the same arguments; the student's own
            weights are replaced.
        on_step: told (steps done, steps of the epoch).
        on_state: given the state after each epoch, before the report of it comes.

    Yields:
        An :class:`EpochReport` after each epoch that is trained here. Stop iterating to stop
        training.

    Raises:
        InputError: a batch size or a training set too small for the losses, or a state of other
            arguments.
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
    check_fit(objective, train, config)
    smallest = objective.smallest_batch
    student = objective.student
    device = device_of(student)
    optimizer = torch.optim.SGD(
        student.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )
    generator = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)  # for layers that draw, such as dropout
    asked = {}
    if resume is not None or on_state is not None:
        asked = fingerprint(objective, train, config, validation)
    reports: list[EpochReport] = []
    if resume is not None:
        resume.compare(asked)
        resume.restore(objective, optimizer, generator)
        reports += resume.reports
    clock = Clock(device)
    for epoch in range(len(reports), config.epochs):
        student.train()
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate_at(epoch)
        sums = dict.fromkeys(objective.names, 0.0)
        shares: dict[str, list[float]] = {}
        started, images_seen = time.perf_counter(), 0
        plan = batches(len(train), batch_size=config.batch_size, generator=generator)
        plan = tuple(index_N for index_N in plan if len(index_N) >= smallest)
        for step, index_N in enumerate(plan, start=1):
            clock.tick()
            with clock("data"):
                index_N = index_N.to(train.images.device)
                images = train.images[index_N]
                if config.crop_padding or config.flip:
                    images = random_crop_flip(
                        images, padding=config.crop_padding, flip=config.flip, generator=generator
                    )
                inputs = train.normalize(images.to(device))
                labels_N = train.labels[index_N].to(device)
            with clock("optimiser"):
                optimizer.zero_grad(set_to_none=True)
            try:
                terms = objective.backward(inputs, labels_N, clock)
            except InputError as problem:
                if epoch == 0 and step == 1:
                    raise  # it never fitted; what fitted once and no longer does has diverged
                raise DivergedError(
                    f"training diverged in step {step} of epoch {epoch + 1}: {problem}"
                ) from problem
            for name, value in terms.values.items():
                number = float(value)
                if not math.isfinite(number):
                    raise DivergedError(
                        f"training diverged: the term {name!r} is {number} in step {step} of epoch "
                        f"{epoch + 1}; lower the learning rate or the weight of that term"
                    )
                sums[name] += number
            for name, share in (terms.shares or {}).items():
                shares.setdefault(name, []).append(share)
            with clock("optimiser"):
                optimizer.step()
            images_seen += len(index_N)
            if on_step is not None:
                on_step(step, len(plan))
        seconds = time.perf_counter() - started
        _check_weights(student, epoch + 1)
        error = None
        if validation is not None:
            error = error_rate(predict(student, validation), validation.labels.to(device))
        report = EpochReport(
            epoch=epoch + 1,
            learning_rate=config.learning_rate_at(epoch),
            terms={name: total / len(plan) for name, total in sums.items()},
            gradient_shares={name: fmean(found) for name, found in shares.items()},
            validation_error=error,
            seconds=seconds,
            images_per_second=images_seen / seconds,
            part_seconds=clock.take(),
            steps=len(plan),
        )
        reports.append(report)
        if on_state is not None:
            on_state(TrainingState.take(objective, optimizer, generator, reports, asked))
        yield report


def check_fit(objective: Objective, train: ImageSet, config: TrainingConfig) -> None:
    """Raise unless the losses, the images and the schedule go together.

    Args:
        objective: the losses.
        train: the images to learn from.
        config: the schedule.

    Raises:
        InputError: a batch size or a training set too small for the losses, or a padding as wide
            as an image.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import Objective, TrainingConfig, check_fit
        >>> net = build_net("small_cnn-4", num_classes=10, in_channels=1)
        >>> check_fit(Objective(net), open_images("digits").train, TrainingConfig())
    """
    smallest = objective.smallest_batch
    if min(len(train), config.batch_size) < smallest:
        raise InputError(
            f"a batch must hold at least {smallest} examples for these losses (k neighbours need "
            f"k + 1); the batch size is {config.batch_size} and there are {len(train)} training "
            "images"
        )
    if config.crop_padding >= min(train.images.shape[2:]):
        raise InputError(
            f"`crop_padding` must be less than the side of an image, or a crop may hold nothing of "
            f"it; got {config.crop_padding} for images of "
            f"{' x '.join(map(str, train.images.shape[2:]))}"
        )


def _check_weights(net: nn.Module, epoch: int) -> None:
    """A gradient may be NaN where the terms are not; then the weights tell."""
    for name, weight in net.named_parameters():
        if not bool(torch.isfinite(weight.detach()).all()):
            raise DivergedError(
                f"training diverged: the weights {name!r} hold NaN or infinity after epoch "
                f"{epoch}; lower the learning rate"
            )
