"""A term of an objective: a loss with its settings and its weight."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from torchlgg.core import InputError
from torchlgg.training._view import View


@dataclass(frozen=True, kw_only=True)
class Term(ABC):
    """One loss with its settings and its weight; the base of all.

    Every other keyword of a term is the setting of the same name of its loss.

    Args:
        weight: what the loss is multiplied by; the default is the published one.
        gradient_ratio: instead of a weight, the size of this term's gradient relative to that of
            the loss of the labels. Measured at the student's parameters, so that it means the
            same for another batch size, network or loss; see :class:`Objective` for the formula.

    Raises:
        InputError: a weight that is not positive and finite.
    """

    name: str = field(default="", init=False, repr=False)
    weight: float
    gradient_ratio: float | None = None
    reads_taps: ClassVar[bool] = True
    needs_teacher: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for setting in ("weight", "gradient_ratio"):
            value = getattr(self, setting)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"the `{setting}` of {self.name} must be positive, got {value!r}")

    @property
    def smallest_batch(self) -> int:
        """The fewest examples the loss can be asked about."""
        return 2

    @abstractmethod
    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of a batch, not yet weighted.

        Args:
            student: what the student gave.
            teacher: what the teacher gave; nothing where there is none.
            labels_N: (N,).

        Returns:
            A scalar.
        """
