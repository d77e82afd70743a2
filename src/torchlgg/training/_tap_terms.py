"""The terms that compare representations, the mean over taps. Shapes: N examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from torchlgg.core import InputError
from torchlgg.graphs import GraphSpec
from torchlgg.losses import (
    attention_transfer_loss,
    correlation_congruence_loss,
    graph_distillation_loss,
    probabilistic_knowledge_transfer_loss,
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
)
from torchlgg.training._term import Term
from torchlgg.training._view import TapChoice, View, pairs_of_taps


@dataclass(frozen=True, kw_only=True)
class RKD(Term):
    """Relative distances (RKD-D), :func:`~torchlgg.losses.relational_distance_loss`.

    Args:
        weight: 25 in the graph papers, on three taps, and in RepDistiller, on the pooled one.
        gradient_ratio: see :class:`Term`.
        taps: names of the student's taps that are compared; ``"all"`` as published.

    Example:
        >>> from torchlgg.training import RKD
        >>> RKD()
        RKD(weight=25.0, gradient_ratio=None, taps='all')
    """

    name: Literal["rkd"] = field(default="rkd", init=False, repr=False)
    weight: float = 25.0
    taps: TapChoice = "all"

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        return relational_distance_loss(*pairs_of_taps(student, teacher, self.taps, term=self.name))


@dataclass(frozen=True, kw_only=True)
class RKDAngle(Term):
    """Angles (RKD-A), :func:`~torchlgg.losses.relational_angle_loss`.

    Args:
        weight: 50 in RepDistiller, twice its 25 for the distances, as the authors advise.
        gradient_ratio: see :class:`Term`.
        taps: names of the student's taps that are compared; published is the pooled one.

    Example:
        >>> from torchlgg.training import RKDAngle
        >>> RKDAngle()
        RKDAngle(weight=50.0, gradient_ratio=None, taps='all')
    """

    name: Literal["rkd-a"] = field(default="rkd-a", init=False, repr=False)
    weight: float = 50.0
    taps: TapChoice = "all"

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        return relational_angle_loss(*pairs_of_taps(student, teacher, self.taps, term=self.name))


@dataclass(frozen=True, kw_only=True)
class SP(Term):
    """Rows of inner products, :func:`~torchlgg.losses.similarity_preserving_loss`.

    Args:
        weight: 3,000 in RepDistiller, whose loss is this one, of one tap.
        gradient_ratio: see :class:`Term`.
        taps: names of the student's taps that are compared; published is the last feature map.

    Example:
        >>> from torchlgg.training import SP
        >>> SP()
        SP(weight=3000.0, gradient_ratio=None, taps='all')
    """

    name: Literal["sp"] = field(default="sp", init=False, repr=False)
    weight: float = 3000.0
    taps: TapChoice = "all"

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        return similarity_preserving_loss(
            *pairs_of_taps(student, teacher, self.taps, term=self.name)
        )


@dataclass(frozen=True, kw_only=True)
class PKT(Term):
    """Neighbour probabilities, :func:`~torchlgg.losses.probabilistic_knowledge_transfer_loss`.

    Args:
        weight: 30,000 in RepDistiller, for a mean over all N² pairs, where this one leaves out the
            N of an example with itself.
        gradient_ratio: see :class:`Term`.
        taps: names of the student's taps that are compared; published is the pooled one.

    Example:
        >>> from torchlgg.training import PKT
        >>> PKT()
        PKT(weight=30000.0, gradient_ratio=None, taps='all')
    """

    name: Literal["pkt"] = field(default="pkt", init=False, repr=False)
    weight: float = 30000.0
    taps: TapChoice = "all"

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        return probabilistic_knowledge_transfer_loss(
            *pairs_of_taps(student, teacher, self.taps, term=self.name)
        )


@dataclass(frozen=True, kw_only=True)
class CC(Term):
    """An expanded Gaussian kernel, :func:`~torchlgg.losses.correlation_congruence_loss`.

    Args:
        weight: 100 is ours: we know of no published weight for this formula (RepDistiller's 0.02
            multiplies another loss of that name). It was chosen so that on the embedded digits the
            gradient of this term is about as strong as those of the others.
        gradient_ratio: see :class:`Term`.
        taps: names of the student's taps that are compared; published is the last one.
        gamma: of the kernel.
        order: of its expansion.

    Example:
        >>> from torchlgg.training import CC
        >>> CC()
        CC(weight=100.0, gradient_ratio=None, taps='all', gamma=0.4, order=2)
    """

    name: Literal["cc"] = field(default="cc", init=False, repr=False)
    weight: float = 100.0
    taps: TapChoice = "all"
    gamma: float = 0.4
    order: int = 2

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        return correlation_congruence_loss(
            *pairs_of_taps(student, teacher, self.taps, term=self.name),
            gamma=self.gamma,
            order=self.order,
        )


@dataclass(frozen=True, kw_only=True)
class AT(Term):
    """Attention, :func:`~torchlgg.losses.attention_transfer_loss`.

    Args:
        weight: the authors and RepDistiller multiply a *sum* over three groups of layers by 1,000;
            3,000 is the same for a mean over three taps.
        gradient_ratio: see :class:`Term`.
        taps: names of the student's taps that are compared; ``"all"`` takes those that are feature
            maps of more than one position on both sides, and leaves out the pooled ones.
        power: p.

    Example:
        >>> from torchlgg.training import AT
        >>> AT()
        AT(weight=3000.0, gradient_ratio=None, taps='all', power=2)
    """

    name: Literal["at"] = field(default="at", init=False, repr=False)
    weight: float = 3000.0
    taps: TapChoice = "all"
    power: int = 2

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        taps = self.taps
        if taps == "all":
            taps = tuple(
                name
                for (name, s), t in zip(student.taps.items(), teacher.taps.values(), strict=True)
                if _has_positions(s) and _has_positions(t)
            )
            if not taps:
                shapes = ", ".join(f"{n} {tuple(s.shape[1:])}" for n, s in student.taps.items())
                raise InputError(
                    "'at' compares feature maps (N, C, H, W), and no pair of taps is one on both "
                    f"sides; the student has {shapes}"
                )
        return attention_transfer_loss(
            *pairs_of_taps(student, teacher, taps, term=self.name), power=self.power
        )


def _has_positions(tap: Tensor) -> bool:
    return tap.ndim == 4 and tap.shape[2] * tap.shape[3] > 1


@dataclass(frozen=True, kw_only=True)
class GKD(Term):
    """Graphs, :func:`~torchlgg.graph_distillation_loss`, the sum over their entries.

    Args:
        weight: 25 in the graph papers, at a batch of 128; as a sum over entries the loss depends
            on it.
        gradient_ratio: see :class:`Term`.
        taps: names of the student's taps that are compared; ``"all"`` as published.
        spec: the graphs.
        power: the power of the graphs.
        mask_from: whose neighbours are used where ``spec.k`` is set; the authors' code takes the
            teacher's.

    Example:
        >>> from torchlgg.graphs import GraphSpec
        >>> from torchlgg.training import GKD
        >>> GKD(spec=GraphSpec.graph_kd(5)).smallest_batch
        6
    """

    name: Literal["gkd"] = field(default="gkd", init=False, repr=False)
    weight: float = 25.0
    taps: TapChoice = "all"
    spec: GraphSpec = field(default_factory=GraphSpec.graph_kd)
    power: int = 1
    mask_from: Literal["own", "teacher"] = "teacher"

    @property
    def smallest_batch(self) -> int:
        """Two, or one more than the neighbours of the graph."""
        return 2 if self.spec.k is None else self.spec.k + 1

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        """The loss of ``student`` beside ``teacher``; ``labels_N`` as in :meth:`Term.loss`."""
        return graph_distillation_loss(
            *pairs_of_taps(student, teacher, self.taps, term=self.name),
            spec=self.spec,
            power=self.power,
            mask_from=self.mask_from,
        )
