"""What a training run can be told, with the published settings as defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from torchlgg.core import InputError, check_option


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a network is trained: an optimiser, its schedule, the batches and their augmentation.

    The defaults are the published distillation schedule on CIFAR-10.

    Args:
        epochs: passes over the training images.
        batch_size: N, the examples of a batch, and so of its graphs.
        classes_per_batch: P, for batches of P classes with N / P examples each, so that every
            graph holds edges within and between classes; ``None`` shuffles all images together.
        optimizer: ``"sgd"`` with momentum, or ``"adamw"``.
        learning_rate: the largest one.
        momentum: of stochastic gradient descent.
        nesterov: Nesterov's form of the momentum.
        weight_decay: the L2 penalty on every parameter (``"adamw"``: decoupled).
        schedule: ``"steps"`` multiplies the learning rate by ``decay`` at some epochs,
            ``"cosine"`` lets it fall to 0 along half a cosine, step by step.
        decay_at: the fractions of the epochs after which ``"steps"`` multiplies it.
        decay: by what.
        fresh_optimizer: forget the momentum where ``"steps"`` multiplies, as the authors of
            Laplacian networks do.
        warmup: the fraction of all steps in which the learning rate rises from 0, in a line.
        crop_padding: pixels of zeros around an image before a random crop of its own size; 0 is no
            cropping.
        flip: mirror half of the images, left to right.
        seed: of the weights, the order of the examples, the crops and the flips.

    Raises:
        InputError: a value out of its range, by name.

    Example:
        >>> from torchlgg.training import TrainingConfig
        >>> [round(TrainingConfig(epochs=10).learning_rate_at(epoch), 4) for epoch in (0, 3, 8)]
        [0.1, 0.02, 0.0008]
    """

    epochs: int = 200
    batch_size: int = 128
    classes_per_batch: int | None = None
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: Literal["steps", "cosine"] = "steps"
    decay_at: tuple[float, ...] = (0.3, 0.6, 0.8)
    decay: float = 0.2
    fresh_optimizer: bool = False
    warmup: float = 0.0
    crop_padding: int = 4
    flip: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, smallest in (("epochs", 1), ("batch_size", 2), ("crop_padding", 0), ("seed", 0)):
            value = getattr(self, name)
            if value < smallest:
                raise InputError(f"`{name}` must be at least {smallest}, got {value!r}")
        if self.seed >= 2**63:
            raise InputError(f"`seed` must be below 2**63, got {self.seed}")
        check_option(self.optimizer, ("sgd", "adamw"), name="optimizer", where="training")
        check_option(self.schedule, ("steps", "cosine"), name="schedule", where="training")
        for name in ("learning_rate", "decay"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise InputError(f"`{name}` must be positive, got {value!r}")
        for name in ("momentum", "weight_decay"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"`{name}` must be at least 0, got {value!r}")
        if not 0 <= self.warmup < 1:
            raise InputError(f"`warmup` must be at least 0 and below 1, got {self.warmup!r}")
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise InputError("`nesterov` is a form of the momentum of 'sgd', which must be above 0")
        classes = self.classes_per_batch
        if classes is not None and (classes < 1 or self.batch_size % classes):
            raise InputError(
                f"`classes_per_batch` must divide the batch size: got {classes} for "
                f"{self.batch_size}"
            )

    def learning_rate_at(self, epoch: float) -> float:
        """The learning rate at a moment.

        Args:
            epoch: counted from 0; 1.5 is the middle of the second one.
        """
        done = epoch / self.epochs
        if done < self.warmup:
            return self.learning_rate * done / self.warmup
        if self.schedule == "cosine":
            turn = math.pi * (done - self.warmup) / (1 - self.warmup)
            return self.learning_rate * 0.5 * (1 + math.cos(turn))
        return self.learning_rate * self.decay ** sum(epoch >= start for start in self.decay_epochs)

    @property
    def decay_epochs(self) -> tuple[int, ...]:
        """The epochs, counted from 0, that begin with another learning rate of ``"steps"``."""
        return tuple(math.ceil(fraction * self.epochs) for fraction in self.decay_at)

    def build_optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of the parameters of ``net`` that are trained."""
        parameters = [p for p in net.parameters() if p.requires_grad]
        if self.optimizer == "adamw":
            return torch.optim.AdamW(
                parameters, lr=self.learning_rate, weight_decay=self.weight_decay
            )
        return torch.optim.SGD(
            parameters,
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
        )
