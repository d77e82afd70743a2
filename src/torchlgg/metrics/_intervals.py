"""How sure a number is: intervals for a mean, a proportion and a difference of paired runs."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from torchlgg.core import InputError


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its confidence interval, in the unit of what it was made from.

    Args:
        value: the estimate.
        low: the interval's lower end; ``None`` where one value gives no interval.
        high: its upper end; ``None`` together with ``low``.
        count: how many values or trials.
        confidence: such as 0.95.
        method: ``"Student t"`` or ``"Wilson"``.

    Example:
        >>> proportion_interval(9, 10).method
        'Wilson'
    """

    value: float
    low: float | None
    high: float | None
    count: int
    confidence: float
    method: str


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The mean difference of two methods over the same seeds, folds or examples.

    Args:
        mean: of a − b.
        low: the interval's lower end; ``None`` for a single pair.
        high: its upper end; ``None`` together with ``low``.
        p_value: of the two-sided paired t test against a mean difference of 0; ``None`` where the
            test is not defined: a single pair, or differences that are all equal.
        count: pairs.
        confidence: such as 0.95.

    Example:
        >>> paired_difference([3.0, 4.0], [1.0, 1.0]).mean
        2.5
    """

    mean: float
    low: float | None
    high: float | None
    p_value: float | None
    count: int
    confidence: float


def mean_interval(values: Iterable[float], *, confidence: float = 0.95) -> Estimate:
    """The mean of independent runs with Student's t interval.

    mean ± t · s / √n, with s the standard deviation of the n ``values`` (n − 1 below the sum) and
    t the quantile (1 + ``confidence``) / 2 of Student's distribution with n − 1 degrees of
    freedom. It assumes runs that are independent and about normally distributed.

    Args:
        values: one finite number a run, at least one.
        confidence: strictly between 0 and 1.

    Returns:
        The mean and the interval, in the unit of ``values``. One value gives no interval; equal
        values give one without width, which says that the runs agree and no more.

    Raises:
        InputError: no value, NaN or infinity, or a confidence outside (0, 1).

    Example:
        >>> found = mean_interval([9.4, 9.7, 10.0])
        >>> f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
        '9.700 [8.955, 10.445]'
    """
    numbers = _finite(values, name="values", where="mean_interval")
    _check_confidence(confidence, where="mean_interval")
    mean = statistics.mean(numbers)
    half = _half_width(statistics.stdev(numbers), len(numbers), confidence) if numbers[1:] else None
    return Estimate(
        value=mean,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        count=len(numbers),
        confidence=confidence,
        method="Student t",
    )


def proportion_interval(successes: int, count: int, *, confidence: float = 0.95) -> Estimate:
    """A fraction of independent trials with Wilson's score interval.

    With p = ``successes`` / ``count``, n = ``count`` and z the normal quantile
    (1 + ``confidence``) / 2: (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n). Unlike the
    textbook's p ± z √(p(1 − p)/n) it stays within [0, 1] and keeps a width at 0 and at 1.

    Args:
        successes: from 0 to ``count``, such as the number of wrong predictions.
        count: trials, at least 1.
        confidence: strictly between 0 and 1.

    Returns:
        Fractions in [0, 1], not percentages.

    Raises:
        InputError: no trial, more successes than trials, or a confidence outside (0, 1).

    Example:
        >>> found = proportion_interval(673, 10000)
        >>> f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
        '0.0673 [0.0626, 0.0724]'
    """
    if count < 1:
        raise InputError(f"proportion_interval: `count` must be at least 1, got {count}")
    if not 0 <= successes <= count:
        raise InputError(
            f"proportion_interval: `successes` must lie between 0 and `count`, {count}, "
            f"got {successes}"
        )
    _check_confidence(confidence, where="proportion_interval")
    p = successes / count
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    shrink = 1 + z * z / count
    center = (p + z * z / (2 * count)) / shrink
    half = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / shrink
    return Estimate(
        value=p,
        # at the ends the formula gives 0 and 1 but for rounding
        low=0.0 if successes == 0 else center - half,
        high=1.0 if successes == count else center + half,
        count=count,
        confidence=confidence,
        method="Wilson",
    )


def paired_difference(
    a: Iterable[float], b: Iterable[float], *, confidence: float = 0.95
) -> PairedDifference:
    """The mean of a − b over pairs, with the interval and the p-value of the paired t test.

    Pair by what the two share: the seed, the fold, the teacher. With d_i = a_i − b_i the interval
    is that of :func:`mean_interval` over the d_i, and the p-value is that of
    t = mean(d) / (s_d / √n) with n − 1 degrees of freedom, two-sided.

    Args:
        a: one finite number a pair.
        b: the same number of finite numbers, in the same order.
        confidence: strictly between 0 and 1.

    Returns:
        The mean difference in the unit of ``a`` and ``b``; negative where ``a`` is smaller. A
        single pair has no interval and no p-value. Differences that are all equal, up to the
        rounding of their subtraction, have an interval without width and no p-value: the test
        divides by their spread.

    Raises:
        InputError: different lengths, no pair, NaN or infinity, or a confidence outside (0, 1).

    Example:
        >>> gkd, alone = [9.6, 9.9, 9.5, 9.8], [10.1, 10.0, 10.2, 10.1]
        >>> found = paired_difference(gkd, alone)
        >>> f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}], p = {found.p_value:.3f}"
        '-0.40 [-0.81, 0.01], p = 0.053'
    """
    a_values, b_values = finite_pairs(a, b, where="paired_difference")
    _check_confidence(confidence, where="paired_difference")
    count = len(a_values)
    differences = [x - y for x, y in zip(a_values, b_values, strict=True)]
    mean = statistics.mean(differences)
    if count == 1:
        return PairedDifference(
            mean=mean, low=None, high=None, p_value=None, count=1, confidence=confidence
        )
    deviation = statistics.stdev(differences)
    # 0.3 - 0.1 and 0.4 - 0.2 differ in their last bit: that is not a spread
    rounding = 4 * sys.float_info.epsilon * max(map(abs, a_values + b_values))
    if deviation <= rounding:
        return PairedDifference(
            mean=mean, low=mean, high=mean, p_value=None, count=count, confidence=confidence
        )
    from scipy.special import stdtr

    half = _half_width(deviation, count, confidence)
    t = mean / (deviation / math.sqrt(count))
    return PairedDifference(
        mean=mean,
        low=mean - half,
        high=mean + half,
        p_value=2 * float(stdtr(count - 1, -abs(t))),
        count=count,
        confidence=confidence,
    )


def finite_pairs(
    a: Iterable[float], b: Iterable[float], *, where: str
) -> tuple[list[float], list[float]]:
    """Both as lists of as many finite numbers, at least one."""
    a_values = _finite(a, name="a", where=where)
    b_values = _finite(b, name="b", where=where)
    if len(a_values) != len(b_values):
        raise InputError(
            f"{where}: `a` and `b` must be pairs: a has {len(a_values)} values, b {len(b_values)}"
        )
    return a_values, b_values


def _half_width(deviation: float, count: int, confidence: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, (1 + confidence) / 2)) * deviation / math.sqrt(count)


def _finite(values: Iterable[float], *, name: str, where: str) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{where}: `{name}` must be numbers, one a run, got {type(values).__name__}"
        ) from error
    if not numbers:
        raise InputError(f"{where}: `{name}` must hold at least one number, got none")
    for place, number in enumerate(numbers):
        if not math.isfinite(number):
            raise InputError(
                f"{where}: `{name}` must be finite numbers, got {number} at place {place}; "
                "a run that diverged has to be named, not averaged"
            )
    return numbers


def _check_confidence(confidence: float, *, where: str) -> None:
    if not 0 < confidence < 1:
        raise InputError(
            f"{where}: `confidence` must lie strictly between 0 and 1, such as 0.95, "
            f"got {confidence}"
        )
