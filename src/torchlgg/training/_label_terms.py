"""The terms that compare a network with the labels. Shapes: N examples, C classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor, nn

from torchlgg.core import InputError
from torchlgg.graphs import GraphSpec
from torchlgg.losses import graph_smoothness_loss, smoothness_variation_loss
from torchlgg.training._term import Term
from torchlgg.training._view import View


@dataclass(frozen=True, kw_only=True)
class CE(Term):
    """Cross-entropy of the logits, the mean over examples.

    Args:
        weight: 1; the other terms are weighed against it.
        gradient_ratio: see :class:`Term`; of no meaning for the term that the others refer to.
        label_smoothing: the share of the target that is spread over all classes, below 1.

    Raises:
        InputError: a share that is not at least 0 and below 1.

    Example:
        >>> from torchlgg.training import CE
        >>> CE()
        CE(weight=1.0, gradient_ratio=None, label_smoothing=0.0)
    """

    name: Literal["ce"] = field(default="ce", init=False, repr=False)
    weight: float = 1.0
    label_smoothing: float = 0.0
    reads_taps: ClassVar[bool] = False
    needs_teacher: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.label_smoothing < 1:
            raise InputError(
                f"`label_smoothing` must be at least 0 and below 1, got {self.label_smoothing!r}"
            )

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` against ``labels_N``; ``teacher`` is not read."""
        return nn.functional.cross_entropy(
            student.logits_NC, labels_N, label_smoothing=self.label_smoothing
        )


@dataclass(frozen=True, kw_only=True)
class GSL(Term):
    """Smoothness of the labels on the graph of embeddings, :func:`~torchlgg.graph_smoothness_loss`.

    Args:
        weight: 1: it stands alone.
        gradient_ratio: see :class:`Term`; of no meaning for the term that the others refer to.
        alpha: α, in units of 1 / distance; not published.
        k: keep only the edges of the k nearest neighbours; ``None`` is every pair.
        reduction: ``"sum"`` as published; ``"mean"`` does not grow with the batch.

    Example:
        >>> from torchlgg.training import GSL
        >>> GSL()
        GSL(weight=1.0, gradient_ratio=None, alpha=1.0, k=None, reduction='mean')
    """

    name: Literal["gsl"] = field(default="gsl", init=False, repr=False)
    weight: float = 1.0
    alpha: float = 1.0
    k: int | None = None
    reduction: Literal["mean", "sum"] = "mean"
    reads_taps: ClassVar[bool] = False
    needs_teacher: ClassVar[bool] = False

    @property
    def smallest_batch(self) -> int:
        """Two, or one more than the neighbours of the graph."""
        return 2 if self.k is None else self.k + 1

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of the output of ``student`` by ``labels_N``; ``teacher`` is not read."""
        return graph_smoothness_loss(
            student.logits_NC, labels_N, alpha=self.alpha, k=self.k, reduction=self.reduction
        )


@dataclass(frozen=True, kw_only=True)
class SmoothnessVariation(Term):
    """Change of label smoothness over the taps, :func:`~torchlgg.smoothness_variation_loss`.

    Args:
        weight: γ^m; published are γ = 0.01 and m = 2, at a batch of 100.
        gradient_ratio: see :class:`Term`.
        power: m.
        spec: the graphs.

    Example:
        >>> from torchlgg.training import SmoothnessVariation
        >>> SmoothnessVariation().weight
        0.0001
    """

    name: Literal["variation"] = field(default="variation", init=False, repr=False)
    weight: float = 1e-4
    power: int = 2
    spec: GraphSpec = field(default_factory=GraphSpec.laplacian_networks)
    needs_teacher: ClassVar[bool] = False

    @property
    def smallest_batch(self) -> int:
        """Two, or one more than the neighbours of the graph."""
        return 2 if self.spec.k is None else self.spec.k + 1

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of the taps of ``student`` by ``labels_N``; ``teacher`` is not read."""
        return smoothness_variation_loss(student.taps, labels_N, power=self.power, spec=self.spec)
