"""Fair random choices of examples, from a generator of their own.

Shapes: N examples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchlgg.core import InputError


def held_out(labels: NDArray[np.int64], *, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which examples a stratified random split sets aside.

    A class of n examples gives round(fraction * n) of them (halves up), but at least 1 and at
    most n - 1; a class of one example gives none. The choice depends on ``labels``, ``fraction``
    and ``seed`` only.

    Args:
        labels: (N,), whole numbers from 0.
        fraction: between 0 and 1, both excluded.
        seed: of numpy's PCG64 generator.

    Returns:
        (N,), True where the example is set aside.

    Example:
        >>> import numpy as np
        >>> held_out(np.array([0, 0, 0, 0, 1, 1, 2]), fraction=0.25, seed=0).tolist()
        [False, False, False, True, True, False, False]
    """
    count = np.bincount(labels)
    wanted = np.floor(fraction * count + 0.5).astype(np.int64)
    wanted = np.minimum(np.maximum(wanted, 1), np.maximum(count - 1, 0))
    keys = random_keys(len(labels), seed=seed)
    order = np.lexsort((keys, labels))  # class by class, at random within each
    first_of_class = np.cumsum(count) - count
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - first_of_class[labels[order]]
    chosen: NDArray[np.bool_] = rank < wanted[labels]
    return chosen


def random_sample(count: int, limit: int | None, *, seed: int) -> NDArray[np.int64]:
    """The positions of ``limit`` out of ``count`` examples, drawn at random, in rising order.

    A larger ``limit`` with the same seed keeps the examples of a smaller one; None, and a limit
    above ``count``, keep all.
    """
    order = np.argsort(random_keys(count, seed=seed), kind="stable")
    return np.sort(order[:limit])


def random_keys(count: int, *, seed: int) -> NDArray[np.float64]:
    """One uniform number in [0, 1) an example, from a generator of its own."""
    return np.random.Generator(np.random.PCG64(seed)).random(count)


def check_seed(seed: int) -> None:
    """Raise an `InputError` unless ``seed`` is a whole number from 0."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"`seed` must be a whole number of at least 0, got {seed!r}")
