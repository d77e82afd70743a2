"""What a training run can be told, with the published settings as defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torchlgg.core import InputError


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
        if self.seed >= 2**63:
            raise InputError(f"`seed` must be below 2**63, got {self.seed}")
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
