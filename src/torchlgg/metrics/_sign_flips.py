"""A test of paired runs that assumes nothing of their distribution."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from torchlgg.core import InputError
from torchlgg.metrics._intervals import finite_pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST = 44


def sign_flip_p_value(a: Iterable[float], b: Iterable[float]) -> float:
    """The p-value of the exact sign-flip permutation test of a − b over pairs, two-sided.

    Were there no difference between the methods, each d_i = a_i − b_i could as well have had the
    other sign. Of all 2ⁿ patterns of signs s, this is the fraction with ``|Σ s_i d_i| ≥ |Σ d_i|``.
    It assumes no normal distribution, unlike the t test of :func:`paired_difference`, and cannot
    be below 2/2ⁿ: five pairs give 0.0625 at least, six 0.03125.

    Args:
        a: one finite number a pair; pair by what the two share, such as the seed.
        b: the same number of finite numbers, in the same order.

    Returns:
        From 2/2ⁿ to 1; 1 where all differences are 0, and for a single pair.

    Raises:
        InputError: different lengths, no pair, more than 44, or NaN or infinity.

    Example:
        >>> gkd, alone = [9.6, 9.9, 9.5, 9.8], [10.1, 10.0, 10.2, 10.1]
        >>> sign_flip_p_value(gkd, alone)
        0.125
    """
    import numpy as np

    a_values, b_values = finite_pairs(a, b, where="sign_flip_p_value")
    count = len(a_values)
    if count > _MOST:
        raise InputError(
            f"sign_flip_p_value: `a` and `b` must hold at most {_MOST} pairs, got {count}; for so "
            "many the t test of `paired_difference` needs no normal distribution either"
        )
    differences = np.array(a_values) - np.array(b_values)
    # sums that are equal but for rounding are equal; each a_i - b_i is rounded too
    rounding = 4 * sys.float_info.epsilon * sum(map(abs, a_values + b_values))
    least = abs(differences.sum()) - rounding
    # every sum is one of the first half plus one of the second: 2 * 2^(n/2) sums, not 2^n
    left, right = (_signed_sums(half) for half in np.array_split(differences, 2))
    right.sort()
    above = len(right) - np.searchsorted(right, least - left, side="left")
    below = np.searchsorted(right, -least - left, side="right")
    if least <= 0:  # every pattern reaches it
        return 1.0
    return float((above + below).sum() / 2.0**count)


def _signed_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """All sums of the values with either sign, 2^n of them."""
    import numpy as np

    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums
