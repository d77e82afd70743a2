"""Which pairs of vertices are joined: the k nearest of each, and what makes an edge of two choices.

Shapes: N vertices.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import InputError, rounding
from torchlgg.graphs._spec import GraphSpec


def choose_neighbors(closeness_NN: Tensor, candidates_NN: Tensor, spec: GraphSpec) -> Tensor:
    """The edges of the k-nearest-neighbour graph, boolean (N, N), without gradient.

    Args:
        closeness_NN: larger is nearer.
        candidates_NN: the pairs that may be joined; its diagonal is kept whatever the neighbours.
        spec: ``k`` (``None`` joins every candidate pair), ``neighbors``, and ``include_self``,
            which takes one of the k places.

    Returns:
        For ``"union"`` and ``"mutual"`` a symmetric mask; for ``"directed"`` and ``"mean"`` the
        choices of the rows.
    """
    if spec.k is None:
        return candidates_NN
    self_NN = torch.eye(closeness_NN.shape[0], dtype=torch.bool, device=closeness_NN.device)
    chosen_NN = _k_nearest(closeness_NN, candidates_NN & ~self_NN, spec.k - int(spec.include_self))
    if spec.neighbors == "union":
        chosen_NN = chosen_NN | chosen_NN.T
    elif spec.neighbors == "mutual":
        chosen_NN = chosen_NN & chosen_NN.T
    return chosen_NN | (candidates_NN & self_NN)


def check_enough_examples(spec: GraphSpec, count: int, *, where: str) -> None:
    """Raise :class:`~torchlgg.core.InputError` unless there are more than k examples."""
    if spec.k is not None and spec.k >= count:
        raise InputError(
            f"{where}: `k` must be less than the number of examples; k={spec.k} for {count} "
            "examples (take a larger batch, a smaller k, or k=None for the complete graph)"
        )


def _k_nearest(closeness_NN: Tensor, others_NN: Tensor, k: int) -> Tensor:
    """The k nearest candidates of each row, and all that tie with the last of them.

    A tie is a closeness that differs from the k-th by no more than rounding: which of several
    duplicates comes first in the batch must not decide who is a neighbour.
    """
    if k == 0:
        return torch.zeros_like(others_NN)
    masked_NN = closeness_NN.masked_fill(~others_NN, -torch.inf)
    last_N = masked_NN.topk(k, dim=1, sorted=False).values.amin(dim=1)
    largest_N = closeness_NN.masked_fill(~others_NN, 0.0).abs().amax(dim=1)
    return others_NN & (masked_NN >= (last_N - rounding(closeness_NN) * largest_N)[:, None])
