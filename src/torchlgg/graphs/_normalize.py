"""Division of a graph by its degrees. Shapes: N vertices."""

from __future__ import annotations

from torch import Tensor

from torchlgg.core import magnitude, safe_divide, safe_rsqrt
from torchlgg.graphs._spec import Normalization


def normalize(adjacency_NN: Tensor, normalization: Normalization, *, floor: float) -> Tensor:
    """``adjacency_NN`` divided by its absolute degrees; isolated vertices keep zero rows.

    Args:
        adjacency_NN: (N, N).
        normalization: see :class:`~torchlgg.graphs.GraphSpec`.
        floor: the degree up to which a vertex is isolated.

    Returns:
        (N, N), entries in [−1, 1] where normalised.
    """
    if normalization is None:
        return adjacency_NN
    degree_N = magnitude(adjacency_NN).sum(dim=1)
    if normalization == "random_walk":
        return safe_divide(adjacency_NN, degree_N[:, None], floor=floor)
    inverse_N = safe_rsqrt(degree_N, floor=floor)
    return adjacency_NN * inverse_N[:, None] * inverse_N[None, :]
