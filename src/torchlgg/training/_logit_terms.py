"""The terms that compare predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor

from torchlgg.losses import decoupled_soft_target_loss, dist_loss, soft_target_loss
from torchlgg.training._term import Term
from torchlgg.training._view import View


@dataclass(frozen=True, kw_only=True)
class HKD(Term):
    """Soft targets, :func:`~torchlgg.soft_target_loss`.

    Args:
        weight: 16 in the graph papers, which is the square of their temperature.
        gradient_ratio: see :class:`Term`.
        temperature: τ.

    Example:
        >>> from torchlgg.training import HKD
        >>> HKD()
        HKD(weight=16.0, gradient_ratio=None, temperature=4.0)
    """

    name: Literal["hkd"] = field(default="hkd", init=False, repr=False)
    weight: float = 16.0
    temperature: float = 4.0
    reads_taps: ClassVar[bool] = False

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        return soft_target_loss(student.logits_NC, teacher.logits_NC, temperature=self.temperature)


@dataclass(frozen=True, kw_only=True)
class DKD(Term):
    """Decoupled soft targets, :func:`~torchlgg.losses.decoupled_soft_target_loss`, times τ².

    Args:
        weight: 1 in the authors' code, whose loss has the factor τ²; they let it grow from 0 over
            the first 20 epochs, which is not done here.
        gradient_ratio: see :class:`Term`.
        temperature: τ.
        alpha: the weight of the target class.
        beta: the weight of the other classes; the authors choose it by pair of networks.

    Example:
        >>> from torchlgg.training import DKD
        >>> DKD(beta=2.0)
        DKD(weight=1.0, gradient_ratio=None, temperature=4.0, alpha=1.0, beta=2.0)
    """

    name: Literal["dkd"] = field(default="dkd", init=False, repr=False)
    weight: float = 1.0
    temperature: float = 4.0
    alpha: float = 1.0
    beta: float = 8.0
    reads_taps: ClassVar[bool] = False

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        return decoupled_soft_target_loss(
            student.logits_NC,
            teacher.logits_NC,
            labels_N,
            temperature=self.temperature,
            alpha=self.alpha,
            beta=self.beta,
            scale="temperature_squared",
        )


@dataclass(frozen=True, kw_only=True)
class DIST(Term):
    """Correlations of predictions, :func:`~torchlgg.losses.dist_loss`.

    Args:
        weight: 1: the paper puts its weights into β and γ.
        gradient_ratio: see :class:`Term`.
        beta: β, the weight within examples.
        gamma: γ, the weight within classes.
        temperature: τ.

    Example:
        >>> from torchlgg.training import DIST
        >>> DIST()
        DIST(weight=1.0, gradient_ratio=None, beta=1.0, gamma=1.0, temperature=1.0)
    """

    name: Literal["dist"] = field(default="dist", init=False, repr=False)
    weight: float = 1.0
    beta: float = 1.0
    gamma: float = 1.0
    temperature: float = 1.0
    reads_taps: ClassVar[bool] = False

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        return dist_loss(
            student.logits_NC,
            teacher.logits_NC,
            beta=self.beta,
            gamma=self.gamma,
            temperature=self.temperature,
        )
