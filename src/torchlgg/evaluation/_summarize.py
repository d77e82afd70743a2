"""Runs over several seeds: their means, and whether two ways of training differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from torchlgg.core import InputError, did_you_mean
from torchlgg.metrics import mean_interval, paired_difference, sign_flip_p_value
from torchlgg.records import DataDescription, Interval, Measurement, Result

_SEED = "seed"
_MOST_FLIPS = 44


def summarize(
    results: Iterable[Result], *, by: Sequence[str] = ("recipe",), confidence: float = 0.95
) -> list[Result]:
    """The mean over seeds of each measurement, with Student's interval, group by group.

    Args:
        results: one a run, each with the tags of ``by`` and ``"seed"``.
        by: the tags that say which runs are alike but for their seed.
        confidence: of the intervals, strictly between 0 and 1.

    Returns:
        One result a group, in the order of their first runs, its task ``"summary"``, with the tags
        that all its runs share and each measurement that all of them have. A single run has no
        interval (see :func:`~torchlgg.metrics.mean_interval`).

    Raises:
        InputError: a tag that a result does not have, two results of one seed in a group, or
            results of a group that were measured on different data or in different units, or have
            no measurement in common.

    Example:
        >>> from torchlgg.evaluation import summarize
        >>> from torchlgg.records import DataDescription, Measurement, Result
        >>> def run(recipe, seed, error):
        ...     measured = Measurement(name="error", value=error, unit="%", count=360,
        ...                            protocol="Test images, top-1.")
        ...     return Result(task="evaluate", subject=f"{recipe} {seed}",
        ...                   data=DataDescription(source="digits", counts={"test": 360}),
        ...                   measurements=[measured], tags={"recipe": recipe, "seed": str(seed)})
        >>> for summary in summarize([run("gkd", 0, 9.4), run("gkd", 1, 9.7), run("gkd", 2, 10.0)]):
        ...     print(summary)
        summary: gkd, 3 seeds
          data: digits (test 360)
          error 9.70 % [8.95, 10.45] (95 % Student t, n = 3)
          tags: recipe=gkd
    """
    groups = _groups(results, (by,) if isinstance(by, str) else tuple(by))
    return [_summary(label, list(runs.values()), confidence) for label, runs in groups.items()]


def compare(
    results: Iterable[Result],
    *,
    by: str = "recipe",
    measurement: str = "error",
    confidence: float = 0.95,
) -> list[Result]:
    """The difference of each two groups over the seeds that both have, with two paired tests.

    Runs of one seed are pairs: the same initial weights, batches and crops. The tests are the
    paired t test (:func:`~torchlgg.metrics.paired_difference`) and the exact sign-flip test
    (:func:`~torchlgg.metrics.sign_flip_p_value`), both two-sided and each for itself: among many
    comparisons some are small by chance.

    Args:
        results: one a run, each with the tags ``by`` and ``"seed"``.
        by: the tag that names the groups.
        measurement: what is compared.
        confidence: of the intervals, strictly between 0 and 1.

    Returns:
        One result for each two groups, its task ``"comparison"``: the later minus the earlier one,
        in the order of their first runs. Its measurements are the ``"common seeds"``, and, with
        two of them or more, the ``"difference"`` and the p-values of the ``"paired t test"`` (not
        where all differences are equal) and of the ``"sign-flip test"`` (up to 44 seeds). None for
        a single group.

    Raises:
        InputError: as for :func:`summarize`; groups that were measured on different data, or a
            measurement that no result has.

    Example:
        >>> from torchlgg.evaluation import compare
        >>> from torchlgg.records import DataDescription, Measurement, Result
        >>> def run(recipe, seed, error):
        ...     measured = Measurement(name="error", value=error, unit="%", count=360,
        ...                            protocol="Test images, top-1.")
        ...     return Result(task="evaluate", subject=f"{recipe} {seed}",
        ...                   data=DataDescription(source="digits", counts={"test": 360}),
        ...                   measurements=[measured], tags={"recipe": recipe, "seed": str(seed)})
        >>> runs = [run("alone", 0, 10.1), run("alone", 1, 10.0), run("alone", 2, 10.2)]
        >>> runs += [run("gkd", 0, 9.6), run("gkd", 1, 9.9), run("gkd", 2, 9.5)]
        >>> for comparison in compare(runs):
        ...     print(comparison)
        comparison: error, gkd − alone
          data: digits (test 360)
          common seeds 3 (n = 6)
          difference -0.43 % [-1.19, 0.33] (95 % paired Student t, n = 3)
          paired t test 0.1333 (n = 3)
          sign-flip test 0.25 (n = 3)
          tags: by=recipe, measurement=error, of=gkd, minus=alone
    """
    groups = _groups(results, (by,))
    everything = [run for runs in groups.values() for run in runs.values()]
    known = list(dict.fromkeys(m.name for run in everything for m in run.measurements))
    if measurement not in known:
        raise InputError(
            f"`measurement`: no result has {measurement!r}{did_you_mean(measurement, known)}"
        )
    data = _one_data(everything)
    measured = {
        label: {seed: m for seed, run in runs.items() for m in _named(run, measurement)}
        for label, runs in groups.items()
    }
    _unit([m for found in measured.values() for m in found.values()], measurement)
    return [
        Result(
            task="comparison",
            subject=f"{measurement}, {of} − {minus}",
            data=data,
            measurements=_difference(measured[of], measured[minus], confidence),
            tags={"by": by, "measurement": measurement, "of": of, "minus": minus},
        )
        for minus, of in itertools.combinations(measured, 2)
    ]


def _groups(results: Iterable[Result], by: tuple[str, ...]) -> dict[str, dict[str, Result]]:
    """The runs by seed, by the values of the tags."""
    groups: dict[str, dict[str, Result]] = {}
    for result in results:
        for tag in (*by, _SEED):
            if tag not in result.tags:
                hint = did_you_mean(tag, result.tags)
                raise InputError(
                    f"`results` must have the tag {tag!r}, that of {result.subject!r} does not"
                    + (hint or "; it has none")
                )
        label = ", ".join(result.tags[tag] for tag in by)
        runs = groups.setdefault(label, {})
        seed = result.tags[_SEED]
        if seed in runs:
            raise InputError(
                f"`results` must be one a seed: {runs[seed].subject!r} and {result.subject!r} are "
                f"both of {label}, seed {seed}; leave one out, or group by another tag"
            )
        runs[seed] = result
    return groups


def _summary(label: str, runs: Sequence[Result], confidence: float) -> Result:
    measurements = []
    for first in runs[0].measurements:
        several = [m for run in runs for m in _named(run, first.name)]
        if len(several) < len(runs):
            continue
        found = mean_interval([m.value for m in several], confidence=confidence)
        measurements.append(
            Measurement(
                name=first.name,
                value=found.value,
                unit=_unit(several, first.name),
                count=found.count,
                interval=_interval(found.low, found.high, confidence, found.method),
                protocol=f"Mean over seeds; {_protocol(several)}",
            )
        )
    if not measurements:
        raise InputError(f"the runs of {label} have no measurement in common")
    return Result(
        task="summary",
        subject=f"{label}, {len(runs)} {'seed' if len(runs) == 1 else 'seeds'}",
        data=_one_data(runs),
        measurements=tuple(measurements),
        tags={
            tag: value
            for tag, value in runs[0].tags.items()
            if tag != _SEED and all(run.tags.get(tag) == value for run in runs)
        },
    )


def _difference(
    of: dict[str, Measurement], minus: dict[str, Measurement], confidence: float
) -> tuple[Measurement, ...]:
    seeds = [seed for seed in of if seed in minus]
    common = Measurement(
        name="common seeds",
        value=len(seeds),
        count=max(1, len(of) + len(minus)),
        protocol="Seeds that both have."
        if len(seeds) > 1
        else "Seeds that both have; a difference needs two of them.",
    )
    if len(seeds) < 2:
        return (common,)
    ours, theirs = ([runs[seed] for seed in seeds] for runs in (of, minus))
    pair = ([m.value for m in ours], [m.value for m in theirs])
    found = paired_difference(*pair, confidence=confidence)
    difference = Measurement(
        name="difference",
        value=found.mean,
        unit=ours[0].unit,
        count=found.count,
        interval=_interval(found.low, found.high, confidence, "paired Student t"),
        protocol=f"Mean over the seeds that both have; {_protocol([*ours, *theirs])}",
    )
    tests = {
        "paired t test": found.p_value,
        "sign-flip test": sign_flip_p_value(*pair) if len(seeds) <= _MOST_FLIPS else None,
    }
    return (
        common,
        difference,
        *(
            Measurement(
                name=name,
                value=p_value,
                count=found.count,
                protocol="Two-sided p-value over the seeds that both have.",
            )
            for name, p_value in tests.items()
            if p_value is not None
        ),
    )


def _named(result: Result, name: str) -> list[Measurement]:
    return [m for m in result.measurements if m.name == name]


def _interval(
    low: float | None, high: float | None, confidence: float, method: str
) -> Interval | None:
    if low is None or high is None:
        return None
    return Interval(low=low, high=high, confidence=confidence, method=method)


def _unit(measurements: Sequence[Measurement], name: str) -> str:
    units = list(dict.fromkeys(m.unit for m in measurements))
    if len(units) > 1:
        raise InputError(
            f"the measurement {name!r} must have one unit in all results, got "
            + " and ".join(map(repr, units))
        )
    return units[0]


def _protocol(measurements: Sequence[Measurement]) -> str:
    """The protocols, after "Mean over seeds; "."""
    ways = list(dict.fromkeys(m.protocol[0].lower() + m.protocol[1:] for m in measurements))
    return ways[0] if len(ways) == 1 else "taken in different ways: " + " | ".join(ways)


def _one_data(runs: Sequence[Result]) -> DataDescription:
    first = runs[0]
    for run in runs:
        if (run.data.source, run.data.sha256) != (first.data.source, first.data.sha256):
            raise InputError(
                "`results` must be measured on the same data to be averaged or compared: "
                f"{first.subject!r} is of {first.data}, {run.subject!r} of {run.data}"
                + ("" if run.data.source != first.data.source else ", whose contents differ")
            )
    return first.data
