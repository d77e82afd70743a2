"""What a training run can be told, with the published settings as defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from torchlgg.core import InputError, check_option
from torchlgg.graphs import GraphSpec

DistillationLoss = Literal["hkd", "rkd", "gkd"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a network is trained: stochastic gradient descent on cropped and flipped images.

    The defaults are the published distillation schedule on CIFAR-10.

    Args:
        epochs: passes over the training images.
        batch_size: N, the examples of a batch, and so of its graphs.
        learning_rate: of the first epoch.
        momentum: of stochastic gradient descent.
        weight_decay: the L2 penalty on every parameter.
        decay_at: the fractions of the epochs after which the learning rate is multiplied.
        decay: by what.
        crop_padding: pixels of zeros around an image before a random crop of its own size; 0 is no
            cropping.
        flip: mirror half of the images, left to right.
        seed: of the order of the examples, the crops and the flips.

    Raises:
        InputError: a value out of its range, by name.

    Example:
        >>> from torchlgg.training import TrainingConfig
        >>> [round(TrainingConfig(epochs=10).learning_rate_at(epoch), 4) for epoch in (0, 3, 8)]
        [0.1, 0.02, 0.0008]
    """

    epochs: int = 200
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay_at: tuple[float, ...] = (0.3, 0.6, 0.8)
    decay: float = 0.2
    crop_padding: int = 4
    flip: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, smallest in (("epochs", 1), ("batch_size", 2), ("crop_padding", 0), ("seed", 0)):
            value = getattr(self, name)
            if value < smallest:
                raise InputError(f"`{name}` must be at least {smallest}, got {value!r}")
        for name in ("learning_rate", "decay"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise InputError(f"`{name}` must be positive, got {value!r}")
        for name in ("momentum", "weight_decay"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"`{name}` must be at least 0, got {value!r}")

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of ``epoch``, counted from 0."""
        steps = sum(epoch >= math.ceil(fraction * self.epochs) for fraction in self.decay_at)
        return self.learning_rate * self.decay**steps


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """What the student is told of the teacher, beside the labels.

    The defaults are the published setting: the weights multiply losses as they are defined in
    :mod:`torchlgg.losses`, and are tied to a batch of 128 and three taps.

    Args:
        losses: any of ``"hkd"`` (:func:`~torchlgg.soft_target_loss`), ``"rkd"``
            (:func:`~torchlgg.relational_distance_loss`) and ``"gkd"``
            (:func:`~torchlgg.graph_distillation_loss`), summed; none leaves the student alone.
        hkd_weight: the weight of ``"hkd"``.
        temperature: τ of ``"hkd"``.
        rkd_weight: the weight of ``"rkd"``.
        gkd_weight: the weight of ``"gkd"``.
        spec: the graphs of ``"gkd"``.
        power: the power of ``"gkd"``.
        mask_from: whose neighbours ``"gkd"`` uses where ``spec.k`` is set.
        student_taps: module paths or globs of the student, or ``"auto"``.
        teacher_taps: the same of the teacher; as many, paired in order.

    Raises:
        InputError: an unknown loss, or one that is named twice.

    Example:
        >>> from torchlgg.training import DistillationConfig
        >>> DistillationConfig(losses=("hkd", "gkd")).gkd_weight
        25.0
    """

    losses: tuple[DistillationLoss, ...] = ("gkd",)
    hkd_weight: float = 16.0
    temperature: float = 4.0
    rkd_weight: float = 25.0
    gkd_weight: float = 25.0
    spec: GraphSpec = field(default_factory=GraphSpec.graph_kd)
    power: int = 1
    mask_from: Literal["own", "teacher"] = "teacher"
    student_taps: tuple[str, ...] | Literal["auto"] = "auto"
    teacher_taps: tuple[str, ...] | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        for name in self.losses:
            check_option(name, get_args(DistillationLoss), name="losses", where="distillation")
        if len(set(self.losses)) < len(self.losses):
            raise InputError(f"`losses` must name each loss once, got {' + '.join(self.losses)}")


def parse_losses(text: str) -> tuple[DistillationLoss, ...]:
    """The losses that a sum in words names, such as ``"hkd+gkd"``; ``"none"`` is no loss.

    Args:
        text: names joined by ``+``.

    Raises:
        InputError: an unknown name, or one that comes twice.

    Example:
        >>> from torchlgg.training import parse_losses
        >>> parse_losses("hkd + gkd"), parse_losses("none")
        (('hkd', 'gkd'), ())
    """
    names = tuple(name.strip() for name in text.split("+"))
    if names == ("none",):
        return ()
    return DistillationConfig(losses=names).losses  # type: ignore[arg-type]  # it checks them
