"""Methods side by side: the table and the panels of a comparison, from results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torchlgg.core import InputError, did_you_mean
from torchlgg.records import Measurement, Result
from torchlgg.reports._figure import Group, Panel
from torchlgg.reports._table import Column, Table

_ABSENT = "–"


def comparison_table(
    summaries: Iterable[Result],
    *,
    title: str,
    group_by: str = "method",
    measurements: Sequence[str] | None = None,
) -> Table:
    """One row a method, one column a measurement, each cell a value and its interval.

    Nothing is computed here: a summary over runs (see :func:`torchlgg.metrics.mean_interval`) is
    itself a result, with its interval and the number of runs in it. In a column every number has
    the same decimals, as many as the narrowest interval needs for two significant digits.

    Args:
        summaries: one result a row, in this order, each with another value of the tag.
        title: the table's title.
        group_by: the tag that names the rows.
        measurements: the columns' names, in this order; ``None`` is every measurement, in the
            order of first appearance.

    Returns:
        A table whose notes say what each interval is and how each number was taken. A
        measurement that a result does not have is a dash.

    Raises:
        InputError: no result, the tag is missing or has one value twice, a measurement that no
            result has, or one with different units.

    Example:
        >>> from torchlgg.records import DataDescription, Interval
        >>> t = Interval(low=9.56, high=9.86, confidence=0.95, method="Student t")
        >>> error = Measurement(name="error", value=9.71, unit="%", count=10, interval=t,
        ...                     protocol="All test images, after the last epoch.")
        >>> data = DataDescription(source="cifar10", counts={"test": 10000})
        >>> result = Result(task="distill", subject="gkd, 10 seeds", data=data,
        ...                 measurements=[error], tags={"method": "gkd"})
        >>> table = comparison_table([result], title="CIFAR-10")
        >>> table.rows
        (('gkd', '9.71 [9.56, 9.86]'),)
        >>> table.notes[0]
        'error (%), [95 % Student t interval], n = 10: All test images, after the last epoch.'
    """
    by_label = _by_label(summaries, group_by)
    names = _names(by_label.values(), measurements)
    columns = [Column(title=group_by, align="left")]
    cells: list[list[str]] = []
    measured: dict[str, Mapping[str, Measurement]] = {}
    for name in names:
        found = _column(by_label, name)
        unit = _unit(found.values(), name)
        title_with_unit = f"{name} ({unit})" if unit else name
        columns.append(Column(title=title_with_unit))
        exact = [
            m for m in found.values() if m.interval is not None and m.interval.low < m.interval.high
        ]
        decimals = max(m.decimals for m in exact or found.values())
        cells.append(
            [found[label].written(decimals) if label in found else _ABSENT for label in by_label]
        )
        measured[title_with_unit] = found
    return Table(
        title=title,
        columns=tuple(columns),
        rows=tuple(zip(by_label, *cells, strict=True)),
        notes=_notes(measured),
    )


def comparison_panels(
    summaries: Iterable[Result],
    runs: Iterable[Result],
    *,
    group_by: str = "method",
    measurements: Sequence[str] | None = None,
) -> tuple[Panel, ...]:
    """The panels of :func:`comparison_figure`: summaries as means, single runs as dots.

    Args:
        summaries: one result a method, as for :func:`comparison_table`.
        runs: the single runs, any number a method, with the same tag.
        group_by: the tag that names the methods.
        measurements: the panels' names, in this order; ``None`` is every measurement of the
            summaries.

    Returns:
        One panel a measurement, with the methods that have it.

    Raises:
        InputError: as for :func:`comparison_table`; or a run of a method without a summary.

    Example:
        >>> from torchlgg.records import DataDescription
        >>> def result(value, seed):
        ...     error = Measurement(name="error", value=value, unit="%", count=9, protocol="Test.")
        ...     return Result(task="distill", subject=f"gkd {seed}", measurements=[error],
        ...                   data=DataDescription(source="digits", counts={}),
        ...                   tags={"method": "gkd"})
        >>> panels = comparison_panels([result(2.0, "mean")], [result(1.5, "0"), result(2.5, "1")])
        >>> panels[0].title, panels[0].unit, panels[0].groups[0].values
        ('error', '%', (1.5, 2.5))
    """
    by_label = _by_label(summaries, group_by)
    of_label: dict[str, list[Result]] = {label: [] for label in by_label}
    for run in runs:
        label = _tag(run, group_by)
        if label not in of_label:
            raise InputError(
                f"`runs` must be of methods that `summaries` has: the run {run.subject!r} is of "
                f"{label!r}{did_you_mean(label, by_label)}"
            )
        of_label[label].append(run)
    panels = []
    for name in _names(by_label.values(), measurements):
        found = _column(by_label, name)
        single = {label: _named(of_label[label], name) for label in found}
        everything = [*found.values(), *(m for several in single.values() for m in several)]
        groups = tuple(
            Group(
                label=label,
                values=tuple(m.value for m in single[label]),
                mean=mean.value,
                low=None if mean.interval is None else mean.interval.low,
                high=None if mean.interval is None else mean.interval.high,
            )
            for label, mean in found.items()
        )
        panels.append(Panel(title=name, unit=_unit(everything, name), groups=groups))
    return tuple(panels)


def _tag(result: Result, group_by: str) -> str:
    if group_by not in result.tags:
        raise InputError(
            f"`group_by` must be a tag of every result: that of {result.subject!r} has no "
            f"{group_by!r}{did_you_mean(group_by, result.tags)}"
        )
    return result.tags[group_by]


def _by_label(summaries: Iterable[Result], group_by: str) -> dict[str, Result]:
    by_label: dict[str, Result] = {}
    for result in summaries:
        label = _tag(result, group_by)
        if label in by_label:
            raise InputError(
                f"`summaries` must be one result a {group_by}: {label!r} is that of both "
                f"{by_label[label].subject!r} and {result.subject!r}; summarise the runs first"
            )
        by_label[label] = result
    if not by_label:
        raise InputError("`summaries` must hold at least one result, got none")
    return by_label


def _names(results: Iterable[Result], asked: Sequence[str] | None) -> list[str]:
    known = list(dict.fromkeys(m.name for result in results for m in result.measurements))
    if asked is None:
        return known
    for name in asked:
        if name not in known:
            raise InputError(f"`measurements`: no result has {name!r}{did_you_mean(name, known)}")
    if not asked:
        raise InputError("`measurements` must name at least one measurement, got none")
    return list(asked)


def _named(results: Iterable[Result], name: str) -> list[Measurement]:
    return [m for result in results for m in result.measurements if m.name == name]


def _column(by_label: Mapping[str, Result], name: str) -> dict[str, Measurement]:
    return {label: m for label, result in by_label.items() for m in _named([result], name)}


def _unit(measurements: Iterable[Measurement], name: str) -> str:
    units = list(dict.fromkeys(measurement.unit for measurement in measurements))
    if len(units) > 1:
        raise InputError(
            f"the measurement {name!r} must have one unit in all results, got "
            + " and ".join(map(repr, units))
        )
    return units[0]


def _notes(columns: Mapping[str, Mapping[str, Measurement]]) -> tuple[str, ...]:
    """How the numbers were taken: one sentence for all the columns that were taken in one way."""
    subjects: dict[str, list[str]] = {}
    for title, found in columns.items():
        ways: dict[str, list[str]] = {}
        for label, m in found.items():
            interval = "" if m.interval is None else f", [{m.interval.description} interval]"
            ways.setdefault(f"{interval}, n = {m.count}: {m.protocol}", []).append(label)
        for way, labels in ways.items():
            subject = title if len(ways) == 1 else f"{title} of {', '.join(labels)}"
            subjects.setdefault(way, []).append(subject)
    return tuple("; ".join(titles) + way for way, titles in subjects.items())
