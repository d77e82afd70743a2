from __future__ import annotations

import pytest

from tests.records.examples import interval, measurement, result
from torchlgg.core import InputError
from torchlgg.reports import comparison_panels, comparison_table

PROTOCOL = "Mean over seeds, all test images, last epoch."


def summary(method, **measurements):
    """A result of one method: each measurement as (value, half width or None, count)."""
    found = []
    for name, (value, half, count) in measurements.items():
        around = None
        if half is not None:
            around = interval(low=value - half, high=value + half, method="Student t")
        unit = "%" if name == "error" else ""
        found.append(
            measurement(
                name=name, value=value, unit=unit, count=count, interval=around, protocol=PROTOCOL
            )
        )
    return result(subject=f"{method}, summary", measurements=found, tags={"method": method})


def run(method, **values):
    found = [
        measurement(name=name, value=value, unit="%" if name == "error" else "", interval=None)
        for name, value in values.items()
    ]
    return result(subject=f"{method}, one run", measurements=found, tags={"method": method})


SUMMARIES = [
    summary("teacher", error=(6.73, None, 1)),
    summary("none", error=(10.123, 0.2, 5), distance=(0.25, 0.031, 5)),
    summary("gkd", error=(9.7111, 1.5, 5), distance=(0.0312, 0.002, 5)),
]


def test_the_table_has_a_row_a_method_and_a_column_a_measurement():
    table = comparison_table(SUMMARIES, title="Students")
    assert table.title == "Students"
    assert [column.title for column in table.columns] == ["method", "error (%)", "distance"]
    assert [column.align for column in table.columns] == ["left", "right", "right"]
    assert table.rows == (
        ("teacher", "6.73", "–"),
        ("none", "10.12 [9.92, 10.32]", "0.2500 [0.2190, 0.2810]"),
        ("gkd", "9.71 [8.21, 11.21]", "0.0312 [0.0292, 0.0332]"),
    )
    assert table.notes == (
        f"error (%) of teacher, n = 1: {PROTOCOL}",
        f"error (%) of none, gkd; distance, [95 % Student t interval], n = 5: {PROTOCOL}",
    )


def test_columns_can_be_chosen_and_ordered():
    table = comparison_table(SUMMARIES, title="t", measurements=["distance", "error"])
    assert [column.title for column in table.columns] == ["method", "distance", "error (%)"]
    assert table.rows[2][2].startswith("9.71")


def test_another_tag_can_name_the_rows():
    both = [result(tags={"net": "a"}), result(tags={"net": "b"})]
    table = comparison_table(both, title="t", group_by="net")
    assert table.columns[0].title == "net"
    assert [row[0] for row in table.rows] == ["a", "b"]


def test_an_interval_without_width_does_not_set_the_decimals():
    both = [summary("a", error=(9.5, 0.2, 5)), summary("b", error=(9.123456, 0.0, 5))]
    assert [row[1] for row in comparison_table(both, title="t").rows] == [
        "9.50 [9.30, 9.70]",
        "9.12 [9.12, 9.12]",
    ]


def test_panels_hold_the_runs_beside_their_summaries():
    runs = [
        run("gkd", error=9.5, distance=0.03),
        run("none", error=10.0),
        run("gkd", error=9.9, distance=0.04),
    ]
    error, distance = comparison_panels(SUMMARIES, runs)
    assert (error.title, error.unit) == ("error", "%")
    assert [group.label for group in error.groups] == ["teacher", "none", "gkd"]
    assert [group.values for group in error.groups] == [(), (10.0,), (9.5, 9.9)]
    assert error.groups[0].low is None
    gkd = error.groups[2]
    assert (gkd.mean, gkd.low, gkd.high) == (9.7111, 9.7111 - 1.5, 9.7111 + 1.5)
    assert (distance.title, distance.unit) == ("distance", "")
    assert [group.label for group in distance.groups] == ["none", "gkd"]
    assert [group.values for group in distance.groups] == [(), (0.03, 0.04)]
    (only,) = comparison_panels(SUMMARIES, runs, measurements=["distance"])
    assert only == distance


TWO_UNITS = [result(tags={"method": "a"}), result(tags={"method": "b"})]
TWO_UNITS[1] = TWO_UNITS[1].model_copy(update={"measurements": (measurement(unit="s"),)})


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: comparison_table([], title="t"), "`summaries` must hold at least one result"),
        (
            lambda: comparison_table(SUMMARIES, title="t", group_by="metod"),
            "`group_by` must be a tag of every result.* no 'metod'; did you mean 'method'",
        ),
        (
            lambda: comparison_table([SUMMARIES[0], SUMMARIES[0]], title="t"),
            "one result a method: 'teacher' is that of both .*; summarise the runs first",
        ),
        (
            lambda: comparison_table(SUMMARIES, title="t", measurements=["eror"]),
            "no result has 'eror'; did you mean 'error'",
        ),
        (
            lambda: comparison_table(SUMMARIES, title="t", measurements=[]),
            "`measurements` must name at least one",
        ),
        (
            lambda: comparison_table(TWO_UNITS, title="t"),
            "'error' must have one unit in all results, got '%' and 's'",
        ),
        (
            lambda: comparison_panels(SUMMARIES, [run("gdk", error=9.0)]),
            "the run 'gdk, one run' is of 'gdk'; did you mean 'gkd'",
        ),
        (
            lambda: comparison_panels(TWO_UNITS[:1], [TWO_UNITS[1]]),
            "the run 'teacher' is of 'b'; known: 'a'",
        ),
        (
            lambda: comparison_panels(
                TWO_UNITS[:1], [TWO_UNITS[1].model_copy(update={"tags": {"method": "a"}})]
            ),
            "'error' must have one unit",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
