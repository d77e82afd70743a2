"""What came out of many runs: a table of means, and one of differences with their tests."""

from __future__ import annotations

from collections.abc import Sequence

from torchlgg.core import InputError
from torchlgg.records import Measurement, Result
from torchlgg.reports._comparison import comparison_table
from torchlgg.reports._table import Column, Table

_ABSENT = "–"
_TESTS = ("paired t test", "sign-flip test")


def paired_report(
    summaries: Sequence[Result],
    comparisons: Sequence[Result],
    *,
    by: str = "recipe",
    measurements: Sequence[str] | None = None,
) -> tuple[Table, ...]:
    """The tables of several runs of several recipes.

    Args:
        summaries: one result a recipe, of task ``"summary"``.
        comparisons: one for each two of them, of task ``"comparison"``; may be empty.
        by: the tag that names the rows.
        measurements: the columns of the first table; ``None`` is every measurement.

    Returns:
        The table of the means; and, where there are comparisons, that of the differences below it.

    Raises:
        InputError: as for :func:`comparison_table` and :func:`difference_table`.

    Example:
        >>> from torchlgg.records import DataDescription
        >>> error = Measurement(name="error", value=9.7, unit="%", count=1, protocol="Test images.")
        >>> summary = Result(task="summary", subject="gkd, 1 seed", measurements=[error],
        ...                  data=DataDescription(source="digits", counts={}),
        ...                  tags={"recipe": "gkd"})
        >>> [table.rows for table in paired_report([summary], [])]
        [(('gkd', '9.7'),)]
    """
    if not summaries:
        raise InputError("`summaries` must hold at least one result, got none")
    title = f"Means over seeds on {summaries[0].data.source}"
    tables = [comparison_table(summaries, title=title, group_by=by, measurements=measurements)]
    if comparisons:
        tables.append(difference_table(comparisons))
    return tuple(tables)


def difference_table(comparisons: Sequence[Result]) -> Table:
    """One row for each two recipes: their difference, its interval, and the p-values.

    Args:
        comparisons: results of task ``"comparison"``, of one measurement.

    Returns:
        A table; two recipes without two seeds in common have their number of seeds and dashes.

    Raises:
        InputError: no comparison, a result that is none, or comparisons of different measurements.

    Example:
        >>> from torchlgg.records import DataDescription, Interval
        >>> t = Interval(low=-0.81, high=0.01, confidence=0.95, method="paired Student t")
        >>> measured = [
        ...     Measurement(name="common seeds", value=4, count=8, protocol="Both have them."),
        ...     Measurement(name="difference", value=-0.4, unit="%", count=4, interval=t,
        ...                 protocol="Mean over seeds."),
        ...     Measurement(name="paired t test", value=0.0532, count=4, protocol="Two-sided."),
        ...     Measurement(name="sign-flip test", value=0.125, count=4, protocol="Two-sided."),
        ... ]
        >>> result = Result(task="comparison", subject="error, gkd − alone", measurements=measured,
        ...                 data=DataDescription(source="digits", counts={}),
        ...                 tags={"measurement": "error", "of": "gkd", "minus": "alone"})
        >>> difference_table([result]).rows
        (('gkd − alone', '-0.40 [-0.81, 0.01]', '0.053', '0.125', '4'),)
    """
    names = list(dict.fromkeys(result.tags.get("measurement") for result in comparisons))
    others = [result for result in comparisons if result.task != "comparison"]
    if len(names) != 1 or names[0] is None or others:
        raise InputError(
            "`comparisons` must be results of task 'comparison' of one measurement, got "
            + (f"one of task {others[0].task!r}" if others else f"those of {names}")
        )
    found = [{m.name: m for m in result.measurements} for result in comparisons]
    differences = [of["difference"] for of in found if "difference" in of]
    unit = differences[0].unit if differences else ""
    exact = [m for m in differences if m.interval is not None and m.interval.low < m.interval.high]
    decimals = max((m.decimals for m in exact or differences), default=0)
    rows = []
    for result, of in zip(comparisons, found, strict=True):
        difference = of.get("difference")
        rows.append(
            (
                f"{result.tags['of']} − {result.tags['minus']}",
                _ABSENT if difference is None else difference.written(decimals),
                *(_p_value(of.get(test)) for test in _TESTS),
                f"{of['common seeds'].value:.0f}",
            )
        )
    return Table(
        title=f"Differences in {names[0]}, pair by pair",
        columns=(
            Column(title="difference", align="left"),
            Column(title=f"{names[0]} ({unit})" if unit else str(names[0])),
            *(Column(title=f"p, {test}") for test in _TESTS),
            Column(title="common seeds"),
        ),
        rows=tuple(rows),
        notes=_notes(differences, missing=len(differences) < len(rows)),
    )


def _p_value(measured: Measurement | None) -> str:
    if measured is None:
        return _ABSENT
    return "< 0.001" if measured.value < 0.001 else f"{measured.value:.3f}"


def _notes(differences: Sequence[Measurement], *, missing: bool) -> tuple[str, ...]:
    notes = []
    kinds = dict.fromkeys(m.interval.description for m in differences if m.interval is not None)
    if kinds:
        fewest = min(m.count for m in differences)
        notes.append(
            f"Runs of one seed are pairs; [{' or '.join(kinds)} interval]; p-values two-sided, "
            f"not corrected for the number of comparisons. With n seeds that of the sign-flip test "
            f"is at least 2/2ⁿ, with {fewest} {2.0 ** (1 - fewest):.2g}."
        )
    if missing:
        notes.append("A row of –: fewer than two seeds in common, nothing to test.")
    if any(m.interval is not None and m.interval.low == m.interval.high for m in differences):
        notes.append("No p of the t test: all differences are equal, it divides by their spread.")
    return tuple(notes)
