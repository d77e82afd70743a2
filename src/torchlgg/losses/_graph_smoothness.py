"""The graph smoothness loss (GSL): embeddings on whose graph the labels are smooth.

Bontonou et al., DSW 2019, arXiv 1905.00301; Lassance, Gripon, Ortega, Algorithms 14(2):39 (2021).
Shapes: N examples, D features, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from torchlgg.core import (
    MAX_MEMORY,
    check_count,
    check_labels,
    check_option,
    check_positive,
    each_tile,
    exact_arithmetic,
    feature_matrix,
    safe_divide,
)
from torchlgg.graphs import GraphRows, GraphSpec, check_class_labels, latent_geometry_graph
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._taps import settings
from torchlgg.losses._tiled import tiles_of_pairs
from torchlgg.signals import label_indicators

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Reduction = Literal["mean", "sum"]

_REDUCTIONS = get_args(Reduction)


def graph_smoothness_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    alpha: float = 1.0,
    k: int | None = None,
    reduction: Reduction = "mean",
    max_memory: int = MAX_MEMORY,
    group: ProcessGroup | None = None,
) -> Tensor:
    r"""The label variation of the exponential graph of the embeddings: different classes repel.

    .. math:: \operatorname{tr}(Y^⊤ L Y) = \sum_{y_i ≠ y_j} \exp(-α ‖x_i - x_j‖)

    over ordered pairs, with L = D − A the Laplacian of the graph with weights exp(−α‖·‖) and Y the
    class indicators. Examples of one class are not drawn together, and D, the dimension of the
    embeddings, is free: it need not be the number of classes.

    Args:
        embeddings: (N, D) or (N, ...), floating.
        labels: (N,) whole numbers; or Y itself, (N, C), soft or boolean
            (:func:`~torchlgg.label_indicators`): a pair then counts :math:`½‖Y_i - Y_j‖^2`.
        alpha: α > 0, in units of 1 / distance.
        k: keep only the edges of the union of the k nearest neighbours; ``None`` is every pair.
        reduction: ``"sum"`` is the formula; ``"mean"`` divides it by the number of pairs of
            different classes (by the sum of :math:`½‖Y_i - Y_j‖^2`), so that it does not grow
            with the batch.
        max_memory: bytes for what has the size of all pairs; 256 MiB. Where the matrices of all
            pairs need more, they are made a tile at a time, and again in backward. It does not
            change the value.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar in [0, 1] for ``"mean"``; 0 with zero gradient where all labels are equal.
        Coincident examples of different classes have gradient 0 between them: the norm has no
        derivative there.

    Raises:
        InputError: labels of another length, α that is not positive, ``k`` ≥ N, NaN or infinity in
            the embeddings, an unknown option, or a bound on memory that is not a whole number
            above 0.

    Example:
        >>> import torch
        >>> from torchlgg import graph_smoothness_loss
        >>> x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
        >>> graph_smoothness_loss(x, torch.tensor([0, 1, 0]), alpha=0.1)
        tensor(0.6304)

    Reference:
        arXiv 1905.00301.
    """
    where = "graph_smoothness_loss"
    _check_settings(alpha, reduction, max_memory, where=where)
    if group is not None:
        embeddings, labels = across_ranks(
            {"embeddings": embeddings, "labels": labels}, group, where=where
        )
    x_ND = feature_matrix(embeddings, name="embeddings", where=where)
    check_labels(labels, count=x_ND.shape[0], where=where)
    spec = GraphSpec(similarity="exponential", bandwidth=1 / alpha, k=k, normalization=None)
    with exact_arithmetic(x_ND):
        total, pairs = _variation(x_ND, labels, spec, max_memory)
        return total if reduction == "sum" else safe_divide(total, pairs)


def _variation(
    x_ND: Tensor, labels: Tensor, spec: GraphSpec, max_memory: int
) -> tuple[Tensor, Tensor]:
    """The sum over pairs of different classes, and how many there are."""
    if labels.ndim == 1:
        check_class_labels(labels, where="graph_smoothness_loss")
        signals, classes = labels, 0
    else:
        signals = label_indicators(labels).to(x_ND.dtype)
        classes = signals.shape[1]
    tiles = tiles_of_pairs(x_ND, max_memory, also=2 * classes)
    if len(tiles) == 1:
        a_NN = latent_geometry_graph(x_ND, spec)
        contrast_NN = _contrast(signals, tiles[0], like=x_ND)
        return (a_NN * contrast_NN).sum(), contrast_NN.sum()
    graph = GraphRows(x_ND, spec, tiles)
    totals = each_tile(
        lambda rows: (graph.adjacency(rows) * _contrast(signals, rows, like=x_ND)).sum(), tiles
    )
    pairs = [_contrast(signals, rows, like=x_ND).sum() for rows in tiles]
    return torch.stack(totals).sum(), torch.stack(pairs).sum()


def _check_settings(alpha: float, reduction: Reduction, max_memory: int, *, where: str) -> None:
    check_positive(alpha, name="alpha", where=where)
    check_option(reduction, _REDUCTIONS, name="reduction", where=where)
    check_count(max_memory, name="max_memory", where=where)


def _contrast(signals: Tensor, rows: slice, *, like: Tensor) -> Tensor:
    """½‖Y_i − Y_j‖² of some rows of pairs; 1 for different hard labels, 0 for equal ones."""
    if signals.ndim == 1:
        return (signals[rows, None] != signals[None, :]).to(like.dtype)
    return (signals[rows, None, :] - signals[None, :, :]).square().sum(-1) / 2


class GraphSmoothnessLoss(nn.Module):
    """:func:`graph_smoothness_loss` with its settings kept; see there.

    Example:
        >>> from torchlgg.losses import GraphSmoothnessLoss
        >>> GraphSmoothnessLoss(alpha=2.0)
        GraphSmoothnessLoss(alpha=2.0, k=None, reduction='mean', max_memory=268435456)
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        k: int | None = None,
        reduction: Reduction = "mean",
        max_memory: int = MAX_MEMORY,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        _check_settings(alpha, reduction, max_memory, where="GraphSmoothnessLoss")
        self.alpha = alpha
        self.k = k
        self.reduction: Reduction = reduction
        self.max_memory = max_memory
        self.group = group

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch."""
        return graph_smoothness_loss(
            embeddings,
            labels,
            alpha=self.alpha,
            k=self.k,
            reduction=self.reduction,
            max_memory=self.max_memory,
            group=self.group,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return settings(
            alpha=self.alpha,
            k=self.k,
            reduction=self.reduction,
            max_memory=self.max_memory,
            group=self.group,
        )
