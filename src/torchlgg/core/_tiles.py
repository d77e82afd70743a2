"""Work on all pairs a tile of rows at a time, so that memory is a chosen bound and not N²."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.utils.checkpoint import checkpoint

MAX_MEMORY = 2**28
"""What temporaries of the size of all pairs may take, in bytes, unless the caller says otherwise.

256 MiB: the whole matrix of a batch of some thousands, and a small part of any machine's memory.
"""


def row_tiles(count: int, row_bytes: int, max_memory: int) -> list[slice]:
    """The rows 0 … ``count`` in runs, each of which needs no more than ``max_memory`` bytes.

    Args:
        count: how many rows there are, at least 1.
        row_bytes: what one row needs.
        max_memory: the bound; a run has at least one row, whatever it needs.

    Returns:
        One slice where everything fits.

    Example:
        >>> row_tiles(5, 10, max_memory=25)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = min(count, max(1, max_memory // row_bytes))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def each_tile(function: Callable[[slice], Tensor], tiles: list[slice]) -> list[Tensor]:
    """``function`` of every tile, of which backward keeps nothing and which it computes again.

    Where there is one tile only, everything is kept.

    Args:
        function: makes a small tensor of rows, and the same one each time.
        tiles: :func:`row_tiles`.

    Example:
        >>> import torch
        >>> each_tile(lambda rows: torch.arange(3.0)[rows].sum(), [slice(0, 2), slice(2, 3)])
        [tensor(1.), tensor(2.)]
    """
    if len(tiles) == 1:
        return [function(tiles[0])]
    return [
        checkpoint(function, tile, use_reentrant=False, preserve_rng_state=False) for tile in tiles
    ]
