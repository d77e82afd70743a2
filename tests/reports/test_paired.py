from __future__ import annotations

import pytest

from tests.reports.test_table import shown
from torchlgg.core import InputError
from torchlgg.records import DataDescription, Interval, Measurement, Result
from torchlgg.reports import difference_table, paired_report, render_markdown

DATA = DataDescription(source="digits", counts={"test": 360})


def number(name, value, *, half=None, count=4, unit="", method="paired Student t"):
    interval = None
    if half is not None:
        interval = Interval(low=value - half, high=value + half, confidence=0.95, method=method)
    return Measurement(
        name=name, value=value, unit=unit, count=count, interval=interval, protocol="On test."
    )


def comparison(of, minus, difference, half, p, *, seeds=4, measurement="error", **changes):
    measured = [number("common seeds", seeds)]
    if seeds > 1:
        measured.append(number("difference", difference, half=half, count=seeds, unit="%"))
        measured += [number("paired t test", p)] if p is not None else []
        measured.append(number("sign-flip test", 0.125))
    fields = {
        "task": "comparison",
        "subject": f"{of} − {minus}",
        "data": DATA,
        "measurements": measured,
        "tags": {"measurement": measurement, "of": of, "minus": minus},
    }
    return Result(**(fields | changes))


COMPARISONS = [
    comparison("gkd", "alone", -0.4, 0.41, 0.0532),
    comparison("hkd", "alone", -0.35, 0.05, 0.00004, seeds=3),
    comparison("hkd", "gkd", 0, 0, None, seeds=1),
]


def test_a_row_for_each_two_recipes():
    table = difference_table(COMPARISONS)
    assert [column.title for column in table.columns] == [
        "difference", "error (%)", "p, paired t test", "p, sign-flip test", "common seeds",
    ]  # fmt: skip
    assert table.rows == (
        ("gkd − alone", "-0.400 [-0.810, 0.010]", "0.053", "0.125", "4"),
        ("hkd − alone", "-0.350 [-0.400, -0.300]", "< 0.001", "0.125", "3"),
        ("hkd − gkd", "–", "–", "–", "1"),
    )
    assert table.notes == (
        "Runs of one seed are pairs; [95 % paired Student t interval]; p-values two-sided, not "
        "corrected for the number of comparisons. With n seeds that of the sign-flip test is at "
        "least 2/2ⁿ, with 3 0.25.",
        "A row of –: fewer than two seeds in common, nothing to test.",
    )


def test_differences_without_spread_say_why_there_is_no_t_test():
    table = difference_table([comparison("gkd", "alone", -1.0, 0.0, None)])
    assert table.rows == (("gkd − alone", "-1 [-1, -1]", "–", "0.125", "4"),)
    assert table.notes[-1].startswith("No p of the t test: all differences are equal")


def test_no_common_seed_at_all_is_a_table_without_numbers():
    table = difference_table(COMPARISONS[2:])
    assert table.columns[1].title == "error"
    assert table.rows == (("hkd − gkd", "–", "–", "–", "1"),)
    assert len(table.notes) == 1


def test_the_report_is_means_above_differences():
    summaries = [
        Result(
            task="summary",
            subject=recipe,
            data=DATA,
            measurements=[number("error", value, half=0.2, unit="%", method="Student t")],
            tags={"recipe": recipe},
        )
        for recipe, value in {"alone": 10.1, "gkd": 9.7}.items()
    ]
    means, differences = paired_report(summaries, COMPARISONS[:1])
    assert means.title == "Means over seeds on digits"
    assert means.rows == (("alone", "10.10 [9.90, 10.30]"), ("gkd", "9.70 [9.50, 9.90]"))
    assert differences == difference_table(COMPARISONS[:1])
    assert len(paired_report(summaries, [])) == 1
    for table in (means, differences):
        assert table.rows[0][1] in render_markdown(table)
        assert table.rows[0][1] in shown(table)


def test_what_is_no_comparison_is_a_sentence():
    with pytest.raises(InputError, match="of one measurement, got those of \\[\\]"):
        difference_table([])
    other = comparison("hkd", "gkd", 0.1, 0.1, 0.5, measurement="loss")
    with pytest.raises(InputError, match=r"got those of \['error', 'loss'\]"):
        difference_table([*COMPARISONS, other])
    with pytest.raises(InputError, match="got one of task 'summary'"):
        difference_table([comparison("a", "b", 1.0, 0.1, 0.5, task="summary")])
    with pytest.raises(InputError, match="`summaries` must hold at least one result"):
        paired_report([], COMPARISONS)
