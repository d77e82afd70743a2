"""Graph knowledge distillation (GKD): the student's latent geometry graphs follow the teacher's.

Lassance et al., ICASSP 2020, arXiv 1911.03080; Lassance, Gripon, Ortega, Algorithms 14(2):39
(2021). Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from torchlgg.core import (
    MAX_MEMORY,
    InputError,
    check_count,
    check_labels,
    check_option,
    exact_arithmetic,
    product,
)
from torchlgg.graphs import (
    GraphSpec,
    Within,
    check_class_labels,
    class_edges,
    cosine_features,
    graph_and_edges,
    latent_geometry_graph,
)
from torchlgg.losses._across_ranks import across_ranks, rank_counts
from torchlgg.losses._complete_graphs import complete_graph_distance, sums_pay
from torchlgg.losses._graph_tiles import distance_by_tiles
from torchlgg.losses._shared_sums import distances_by_shared_sums
from torchlgg.losses._taps import Taps, mean_of, paired_taps, settings
from torchlgg.losses._tiled import tiles_of_pairs

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Edges = Literal["all", "intra", "inter"]
MaskFrom = Literal["own", "teacher"]
Reduction = Literal["sum", "mean"]

_EDGES = get_args(Edges)
_MASK_FROMS = get_args(MaskFrom)
_REDUCTIONS = get_args(Reduction)


def graph_distillation_loss(
    student: Taps,
    teacher: Taps,
    *,
    spec: GraphSpec = GraphSpec(),  # noqa: B008  (frozen)
    power: int = 1,
    edges: Edges = "all",
    labels: Tensor | None = None,
    mask_from: MaskFrom = "own",
    reduction: Reduction = "sum",
    max_memory: int = MAX_MEMORY,
    group: ProcessGroup | None = None,
) -> Tensor:
    r"""How far the student's graph is from the teacher's, on the same examples.

    .. math:: \frac1T \sum_{t=1}^{T} ‖ A_{S,t}^p - A_{T,t}^p ‖_F^2

    with A the adjacency matrices that ``spec`` makes of the T taps and p = ``power``. Only
    similarities between examples are compared, so student and teacher may differ in width at every
    tap. The authors' setting is ``spec=GraphSpec.graph_kd()``, three taps, and a weight of 25.

    Args:
        student: the student's representations: (N, ...), a sequence of T such, or a mapping from
            tap name to tensor as :func:`~torchlgg.capture` yields.
        teacher: the teacher's, paired with the student's in order. No gradient flows into it.
        spec: how the graphs are made.
        power: p ≥ 1; p > 1 compares walks of p steps.
        edges: compare ``"all"`` edges, those within a class (``"intra"``) or between classes
            (``"inter"``), which need ``labels``.
        labels: (N,), whole numbers.
        mask_from: with ``spec.k``, whose nearest neighbours make the student's edges: its
            ``"own"``, as in the paper, or the ``"teacher"``'s, as in graph_kd.
        reduction: ``"sum"`` over the N² entries, as published in 2020; ``"mean"`` divides by N²,
            as published in 2019 (with the same weight of 25).
        max_memory: bytes for what has the size of all pairs; 256 MiB. Where the matrices of all
            pairs need more and power is 1, they are made a tile at a time, and again in backward.
            Powers above 1 take the matrices. It does not change the value.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64; 0 where the graphs are equal, and for N = 1.

    Raises:
        InputError: taps or examples that do not pair, missing labels, ``k`` ≥ N, NaN or infinity
            in a tap, an unknown option, or a bound on memory that is not a whole number above 0.

    Example:
        >>> import torch
        >>> from torchlgg import GraphSpec, graph_distillation_loss
        >>> teacher = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
        >>> student = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], requires_grad=True)
        >>> loss = graph_distillation_loss(student, teacher, spec=GraphSpec.graph_kd())
        >>> loss
        tensor(0.0149, grad_fn=<MeanBackward0>)
        >>> loss.backward()

    Reference:
        arXiv 1911.03080.
    """
    where = "graph_distillation_loss"
    _check_settings(power, edges, mask_from, reduction, max_memory, where=where)
    if group is not None:
        arguments = {"student": student, "teacher": teacher, "labels": labels}
        counts = rank_counts(arguments, group, where=where)
        if power == 1 and edges == "all":
            distances = distances_by_shared_sums(student, teacher, spec, counts, group, where=where)
            if distances is not None:
                entries = 1 if reduction == "sum" else sum(counts) ** 2
                return mean_of([distance / entries for distance in distances])
        student, teacher, labels = across_ranks(arguments, group, where=where, counts=counts)
    pairs = paired_taps(student, teacher, where=where)
    shared_mask = mask_from == "teacher" and spec.k is not None
    labels = _labels_for(edges, labels, count=pairs[0][0].shape[0], where=where)
    within_NN = None
    losses = []
    for s_ND, t_ND in pairs:
        total = _by_sums(s_ND, t_ND, spec, power, edges, labels)
        tiles = tiles_of_pairs(s_ND, max_memory)
        if total is None and power == 1 and len(tiles) > 1:
            within = None if labels is None else Within(labels, edges)
            total = distance_by_tiles(s_ND, t_ND, spec, within, shared_mask, tiles)
        if total is None:
            if labels is not None and within_NN is None:
                within_NN = class_edges(labels, edges)
            total = _by_pairs(s_ND, t_ND, spec, power, within_NN, shared_mask)
        losses.append(total if reduction == "sum" else total / len(s_ND) ** 2)
    return mean_of(losses)


def _by_sums(
    s_ND: Tensor, t_ND: Tensor, spec: GraphSpec, power: int, edges: Edges, labels: Tensor | None
) -> Tensor | None:
    """The loss of a tap without the matrix of pairs, where that is possible and costs less."""
    count, widths = len(s_ND), (s_ND.shape[1], t_ND.shape[1])
    if torch.compiler.is_compiling() or not sums_pay(count, *widths, power=power, edges=edges):
        return None
    if labels is not None:
        classes = len(torch.unique(labels))
        if not sums_pay(count, *widths, power=power, edges=edges, classes=classes):
            return None
    with exact_arithmetic(s_ND):
        student_ND = cosine_features(s_ND, spec)
        teacher_ND = None if student_ND is None else cosine_features(t_ND, spec)
        if student_ND is None or teacher_ND is None:
            return None
        return complete_graph_distance(
            student_ND,
            teacher_ND,
            normalized=spec.normalization is not None,
            power=power,
            edges=edges,
            labels=labels,
        )


def _by_pairs(
    s_ND: Tensor,
    t_ND: Tensor,
    spec: GraphSpec,
    power: int,
    within_NN: Tensor | None,
    shared_mask: bool,
) -> Tensor:
    """The loss of a tap from its two matrices of pairs."""
    with torch.no_grad():
        t_NN, t_edges_NN = graph_and_edges(t_ND, spec, within=within_NN)
    mask_NN = t_edges_NN if shared_mask else None
    s_NN = latent_geometry_graph(s_ND, spec, mask=mask_NN, within=within_NN)
    with exact_arithmetic(s_NN):
        difference_NN = _power(s_NN, power) - _power(t_NN, power)
        return difference_NN.square().sum()


def _check_settings(
    power: int,
    edges: Edges,
    mask_from: MaskFrom,
    reduction: Reduction,
    max_memory: int,
    *,
    where: str,
) -> None:
    check_count(power, name="power", where=where)
    check_option(edges, _EDGES, name="edges", where=where)
    check_option(mask_from, _MASK_FROMS, name="mask_from", where=where)
    check_option(reduction, _REDUCTIONS, name="reduction", where=where)
    check_count(max_memory, name="max_memory", where=where)


def _power(a_NN: Tensor, power: int) -> Tensor:
    """The matrix power, by squaring."""
    if power == 1:
        return a_NN
    half_NN = _power(a_NN, power // 2)
    # a view, because the compiler does not trace a custom function of one tensor passed twice
    square_NN = product(half_NN, half_NN.view_as(half_NN))
    return product(square_NN, a_NN) if power % 2 else square_NN


def _labels_for(edges: Edges, labels: Tensor | None, *, count: int, where: str) -> Tensor | None:
    """The labels, checked, where the edges depend on them."""
    if edges == "all":
        return None
    if labels is None:
        raise InputError(f"{where}: `edges={edges!r}` needs `labels`, one class per example")
    check_labels(labels, count=count, where=where)
    check_class_labels(labels, where=where)
    return labels


class GraphDistillationLoss(nn.Module):
    """:func:`graph_distillation_loss` with its settings kept; see there.

    Example:
        >>> from torchlgg import GraphSpec
        >>> from torchlgg.losses import GraphDistillationLoss
        >>> GraphDistillationLoss(spec=GraphSpec.graph_kd(), power=2).power
        2
    """

    def __init__(
        self,
        *,
        spec: GraphSpec = GraphSpec(),  # noqa: B008  (frozen)
        power: int = 1,
        edges: Edges = "all",
        mask_from: MaskFrom = "own",
        reduction: Reduction = "sum",
        max_memory: int = MAX_MEMORY,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        _check_settings(
            power, edges, mask_from, reduction, max_memory, where="GraphDistillationLoss"
        )
        self.spec = spec
        self.power = power
        self.edges: Edges = edges
        self.mask_from: MaskFrom = mask_from
        self.reduction: Reduction = reduction
        self.max_memory = max_memory
        self.group = group

    def forward(self, student: Taps, teacher: Taps, labels: Tensor | None = None) -> Tensor:
        """The loss of a batch; ``labels`` where ``edges`` needs them."""
        return graph_distillation_loss(
            student,
            teacher,
            spec=self.spec,
            power=self.power,
            edges=self.edges,
            labels=labels,
            mask_from=self.mask_from,
            reduction=self.reduction,
            max_memory=self.max_memory,
            group=self.group,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return settings(
            spec=self.spec,
            power=self.power,
            edges=self.edges,
            mask_from=self.mask_from,
            reduction=self.reduction,
            max_memory=self.max_memory,
            group=self.group,
        )
