"""The training loop: epochs over an image set, one report each. Shapes: N examples of a batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch

from torchlgg.core import InputError
from torchlgg.data import ImageSet, batches, random_crop_flip
from torchlgg.metrics import error_rate
from torchlgg.training._clock import Clock
from torchlgg.training._config import TrainingConfig
from torchlgg.training._objective import Objective
from torchlgg.training._predict import device_of, predict


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What an epoch did.

    Args:
        epoch: counted from 1.
        learning_rate: of its steps.
        terms: the mean weighted value of each term of the objective.
        validation_error: the fraction of validation images that are wrong after it; ``None``
            without such images.
        seconds: of the epoch, without the validation.
        images_per_second: training images.
        part_seconds: the seconds of each part of the steps that were timed: all of them on a CPU,
            a sample on an accelerator. A term's part holds its forward and its backward half.
        steps: how many batches.

    Example:
        >>> from torchlgg.training import EpochReport
        >>> report = EpochReport(epoch=1, learning_rate=0.1, terms={"ce": 2.0},
        ...     validation_error=None, seconds=2.0, images_per_second=500.0,
        ...     part_seconds={"ce": 0.5, "student forward": 1.5}, steps=8)
        >>> report.share("ce")
        0.25
    """

    epoch: int
    learning_rate: float
    terms: Mapping[str, float]
    validation_error: float | None
    seconds: float
    images_per_second: float
    part_seconds: Mapping[str, float]
    steps: int

    def share(self, part: str) -> float:
        """The fraction of the timed steps that ``part`` took; 0 for a part that did not run."""
        return self.part_seconds.get(part, 0.0) / sum(self.part_seconds.values())


def fit(
    objective: Objective,
    train: ImageSet,
    config: TrainingConfig,
    *,
    validation: ImageSet | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Iterator[EpochReport]:
    """Train the objective's student, one epoch per item of the iterator.

    The learning rate, the order of the examples and the augmentation follow ``config``; the same
    seed, data, versions and device give the same weights. A last batch that is too small for the
    losses (:attr:`Objective.smallest_batch`) is left out of its epoch.

    Args:
        objective: the student, the teacher and the losses.
        train: the images to learn from; best on the device of the student.
        config: the schedule.
        validation: images to measure the error on after each epoch.
        on_step: told (steps done, steps of the epoch).

    Yields:
        An :class:`EpochReport` after each epoch. Stop iterating to stop training.

    Raises:
        InputError: a batch size or a training set too small for the losses, or a term that turned
            NaN or infinite (by name, with the epoch and the step).

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
    smallest = objective.smallest_batch
    if min(len(train), config.batch_size) < smallest:
        raise InputError(
            f"a batch must hold at least {smallest} examples for these losses; the batch size is "
            f"{config.batch_size} and there are {len(train)} training images"
        )
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
    clock = Clock(device)
    for epoch in range(config.epochs):
        student.train()
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate_at(epoch)
        sums = dict.fromkeys(objective.names, 0.0)
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
            values = objective.backward(inputs, labels_N, clock)
            for name, value in values.items():
                number = float(value)
                if not math.isfinite(number):
                    raise InputError(
                        f"training diverged: the term {name!r} is {number} in step {step} of epoch "
                        f"{epoch + 1}; lower the learning rate or the weight of that term"
                    )
                sums[name] += number
            with clock("optimiser"):
                optimizer.step()
            images_seen += len(index_N)
            if on_step is not None:
                on_step(step, len(plan))
        seconds = time.perf_counter() - started
        error = None
        if validation is not None:
            error = error_rate(predict(student, validation), validation.labels.to(device))
        yield EpochReport(
            epoch=epoch + 1,
            learning_rate=config.learning_rate_at(epoch),
            terms={name: total / len(plan) for name, total in sums.items()},
            validation_error=error,
            seconds=seconds,
            images_per_second=images_seen / seconds,
            part_seconds=clock.take(),
            steps=len(plan),
        )
