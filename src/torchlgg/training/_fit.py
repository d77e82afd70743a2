"""The training loop: epochs over an image set, one report each. Shapes: N examples of a batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

import torch
from torch import Tensor, nn

from torchlgg.core import InputError
from torchlgg.data import ImageSource, balanced_batches, batches, random_crop_flip
from torchlgg.training._clock import Clock
from torchlgg.training._config import TrainingConfig
from torchlgg.training._engine_config import EngineConfig
from torchlgg.training._epoch_report import EpochReport
from torchlgg.training._objective import Objective
from torchlgg.training._predict import device_of
from torchlgg.training._state import TrainingState, fingerprint
from torchlgg.training._validate import label_smoothness, validation_error


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

    Args:
        objective: the student, the teacher and the losses.
        train: the images to learn from.
        config: the schedule.
        engine: how it is carried out; the device is that of the student's parameters.
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
    student = objective.student
    device = device_of(student)
    optimizer = config.build_optimizer(student)
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
        if config.fresh_optimizer and epoch in config.decay_epochs:
            optimizer = config.build_optimizer(student)
        student.train()
        sums = dict.fromkeys(objective.names, 0.0)
        shares: dict[str, list[float]] = {}
        started, images_seen = time.perf_counter(), 0
        plan = _plan(train, config, objective.smallest_batch, generator)
        rate = config.learning_rate
        clock.tick()
        for step, (inputs, labels_N) in enumerate(
            _batches(train, plan, config, generator, device, clock), start=1
        ):
            rate = config.learning_rate_at(epoch + (step - 0.5) / len(plan))
            with clock("optimiser"):
                for group in optimizer.param_groups:
                    group["lr"] = rate
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
                objective.task.after_step(student)
            images_seen += len(labels_N)
            if on_step is not None:
                on_step(step, len(plan))
            clock.tick()
        seconds = time.perf_counter() - started
        _check_weights(student, epoch + 1)
        error = None
        if validation is not None:
            error = validation_error(student, objective.task, train, validation)
        smoothness = {}
        if engine.watch is not None:
            smoothness = label_smoothness(student, engine.watch, validation or train)
        report = EpochReport(
            epoch=epoch + 1,
            learning_rate=rate,
            terms={name: total / len(plan) for name, total in sums.items()},
            gradient_shares={name: fmean(found) for name, found in shares.items()},
            smoothness=smoothness,
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


def _plan(
    train: ImageSource, config: TrainingConfig, smallest: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """The positions of each batch of an epoch, without batches too small for the losses."""
    if config.classes_per_batch is None:
        plan = batches(len(train), batch_size=config.batch_size, generator=generator)
        return tuple(index_N for index_N in plan if len(index_N) >= smallest)
    return balanced_batches(
        train.labels,
        classes=config.classes_per_batch,
        examples=config.batch_size // config.classes_per_batch,
        generator=generator,
    )


def _batches(
    train: ImageSource,
    plan: Sequence[Tensor],
    config: TrainingConfig,
    generator: torch.Generator,
    device: torch.device,
    clock: Clock,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The images of each batch, cropped, flipped and normalised, and their labels."""
    source = train.pixels(plan)
    for index_N in plan:
        with clock("data"):
            pixels = next(source)
            if config.crop_padding or config.flip:
                pixels = random_crop_flip(
                    pixels, padding=config.crop_padding, flip=config.flip, generator=generator
                )
            inputs = train.normalize(pixels.to(device))
            labels_N = train.labels[index_N.to(train.labels.device)].to(device)
        yield inputs, labels_N


def check_fit(objective: Objective, train: ImageSource, config: TrainingConfig) -> None:
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
    if config.crop_padding >= min(train.shape[1:]):
        raise InputError(
            f"`crop_padding` must be less than the side of an image, or a crop may hold nothing of "
            f"it; got {config.crop_padding} for images of "
            f"{' x '.join(map(str, train.shape[1:]))}"
        )


def _check_weights(net: nn.Module, epoch: int) -> None:
    """A gradient may be NaN where the terms are not; then the weights tell."""
    for name, weight in net.named_parameters():
        if not bool(torch.isfinite(weight.detach()).all()):
            raise DivergedError(
                f"training diverged: the weights {name!r} hold NaN or infinity after epoch "
                f"{epoch}; lower the learning rate"
            )
