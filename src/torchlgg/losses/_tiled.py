"""Tiles of rows of all pairs for a loss, within its bound on memory. Shapes: N examples."""

from __future__ import annotations

from torch import Tensor

from torchlgg.core import row_tiles

_AT_ONCE = 32
"""Matrices of pairs, of both sides, alive at once, backward included (counted: up to 27)."""


def tiles_of_pairs(x_ND: Tensor, max_memory: int, *, also: int = 0) -> list[slice]:
    """The rows to be taken at once; one slice where the matrices of all pairs fit.

    Args:
        x_ND: the features of one of two sides, or of the only one.
        max_memory: bytes.
        also: numbers of each pair beside those of every loss.
    """
    count = len(x_ND)
    return row_tiles(count, (_AT_ONCE + also) * x_ND.element_size() * count, max_memory)
