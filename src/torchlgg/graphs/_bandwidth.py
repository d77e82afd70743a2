"""The bandwidth of a kernel graph from the distances of all pairs, a tile of them at a time.

Shapes: N examples, D features, M rows of a tile.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import each_tile
from torchlgg.graphs._distances import pairwise_distances
from torchlgg.graphs._spec import Bandwidth

_DIGIT = 16  # bits that one pass over the distances decides


def bandwidth_by_tiles(x_ND: Tensor, bandwidth: Bandwidth, tiles: list[slice]) -> Tensor:
    """The bandwidth h of the graph of ``x_ND`` as a scalar, with its gradient.

    Args:
        x_ND: (N, D).
        bandwidth: a number, ``"mean"`` or ``"median"``.
        tiles: all rows; see :func:`~torchlgg.core.row_tiles`.
    """
    if not isinstance(bandwidth, str):
        return x_ND.new_full((), bandwidth)
    count = len(x_ND)
    if count == 1:
        return x_ND.new_ones(())
    if bandwidth == "mean":
        totals = each_tile(lambda rows: pairwise_distances(x_ND, rows).sum(), tiles)
        return torch.stack(totals).sum() / (count * (count - 1))
    with torch.no_grad():
        h, first, second = _median_pair(x_ND, tiles)
    # the gradient is that of the one pair whose distance is the median
    length = torch.linalg.vector_norm(x_ND.index_select(0, first) - x_ND.index_select(0, second))
    return torch.where(h > 0, h + (length - length.detach()), h)


def _median_pair(x_ND: Tensor, tiles: list[slice]) -> tuple[Tensor, Tensor, Tensor]:
    """The lower median of the distances of all pairs, and the two examples of one such pair.

    Non-negative numbers are ordered as their bits are, so that counting the leading digits of all
    of them finds the leading digit of the median; further passes find the rest. Every distance
    stands twice off the diagonal.
    """
    count = len(x_ND)
    rank = torch.full((), count * (count - 1) // 2, device=x_ND.device)
    prefix = torch.zeros((), dtype=torch.int64, device=x_ND.device)
    for shift in range(8 * x_ND.element_size() - _DIGIT, -1, -_DIGIT):
        seen = torch.zeros(2**_DIGIT, dtype=torch.int64, device=x_ND.device)
        for rows in tiles:
            bits_P = _bits(x_ND, rows).flatten() >> shift
            alike_P = (bits_P >> _DIGIT) == prefix
            seen.scatter_add_(0, bits_P & (2**_DIGIT - 1), alike_P.to(torch.int64))
        below = seen.cumsum(0)
        digit = torch.searchsorted(below, rank)
        rank = rank - (below[digit] - seen[digit])
        prefix = (prefix << _DIGIT) | digit
    place = torch.zeros((), dtype=torch.int64, device=x_ND.device)
    for rows in tiles:
        same_P = (_bits(x_ND, rows) == prefix).flatten()
        here = same_P.to(torch.uint8).argmax() + rows.start * count
        place = torch.where(same_P.any(), here, place)
    whole = torch.int64 if x_ND.dtype == torch.float64 else torch.int32
    h = prefix.to(whole).view(x_ND.dtype)
    return h, (place // count)[None], (place % count)[None]


def _bits(x_ND: Tensor, rows: slice) -> Tensor:
    """The distances of some rows as whole numbers, with those to themselves above all others."""
    distance_MN = pairwise_distances(x_ND, rows)
    distance_MN.diagonal(offset=rows.start).fill_(torch.inf)
    whole = torch.int64 if x_ND.dtype == torch.float64 else torch.int32
    return distance_MN.view(whole).to(torch.int64)
