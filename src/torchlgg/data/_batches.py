"""The order in which examples are visited.

Shapes: B examples of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import InputError


def batches(
    count: int,
    *,
    batch_size: int,
    generator: torch.Generator | None = None,
    drop_last: bool = False,
) -> tuple[Tensor, ...]:
    """The positions 0 to ``count`` - 1 cut into batches: one pass over a data set.

    Args:
        count: number of examples, at least 1.
        batch_size: examples a batch, at least 1; the last batch holds what is left.
        generator: None keeps the order; a generator draws one permutation, on its own device.
        drop_last: leave out a last batch that is not full.

    Returns:
        One (B,) int64 tensor a batch; each position comes exactly once, except those that
        ``drop_last`` leaves out.

    Raises:
        InputError: when a number is below 1, or ``drop_last`` would leave no batch at all.

    Example:
        >>> import torch
        >>> from torchlgg.data import batches
        >>> [batch.tolist() for batch in batches(5, batch_size=2)]
        [[0, 1], [2, 3], [4]]
        >>> shuffle = torch.Generator().manual_seed(0)
        >>> [batch.tolist() for batch in batches(5, batch_size=2, generator=shuffle)]
        [[4, 0], [1, 3], [2]]
    """
    for name, value in (("count", count), ("batch_size", batch_size)):
        if value < 1:
            raise InputError(f"`{name}` must be at least 1, got {value}")
    if drop_last and count < batch_size:
        raise InputError(
            f"`batch_size` must be at most `count` when `drop_last` is set, or no batch is left: "
            f"got {batch_size} for {count} examples"
        )
    if generator is None:
        order = torch.arange(count)
    else:
        order = torch.randperm(count, generator=generator, device=generator.device)
    kept = count - count % batch_size if drop_last else count
    return torch.split(order[:kept], batch_size)
