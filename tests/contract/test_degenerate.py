"""Every loss and graph stays finite, bounded and meaningful on degenerate batches."""

from __future__ import annotations

import math
import re

import pytest

from tests.contract.cases import CASES
from tests.contract.degenerate import LARGEST_RATIO, PAGE, SITUATIONS, page, subjects, table

cells = pytest.mark.parametrize(
    ("situation", "subject"),
    [
        pytest.param(situation, subject, id=f"{situation.title}-{subject.column}")
        for situation in SITUATIONS
        for subject in subjects()
    ],
)


@cells
def test_value_and_gradient_are_finite_and_bounded(situation, subject):
    cell = table()[situation.title, subject.column]
    if cell.refused:
        assert "`k` must be less than the number of examples" in cell.refused
        return
    assert math.isfinite(cell.value)
    if not (subject.name == "smoothness" and situation.title == "signed features"):
        # only negative weights, of opposed features, make a variation negative
        assert cell.value >= -1e-4
    assert all(math.isfinite(norm) for norm in cell.norms.values())
    assert cell.ratio <= LARGEST_RATIO


@pytest.mark.parametrize("subject", subjects(), ids=lambda subject: subject.column)
def test_a_normal_batch_has_a_gradient(subject):
    cell = table()["a normal batch", subject.column]
    assert cell.value > 1e-6
    assert cell.norms["own"] > 1e-6


@pytest.mark.parametrize("subject", subjects(), ids=lambda subject: subject.column)
def test_a_dead_row_takes_no_part(subject):
    cell = table()["one row all zero", subject.column]
    spec_is_of_distances = any(word in subject.column for word in ("exponential", "RBF"))
    centred = "centred" in subject.column
    if subject.dead_row_is_inert and not spec_is_of_distances and not centred:
        assert cell.dead_row == 0
    else:
        assert cell.dead_row > 0


@pytest.mark.parametrize(
    "subject", [s for s in subjects() if s.name == "graph_smoothness_loss"], ids=lambda s: s.column
)
def test_one_class_has_nothing_to_separate(subject):
    cell = table()["one class only", subject.column]
    assert cell.value == 0
    assert cell.norms == {"own": 0}


@pytest.mark.parametrize(
    "subject",
    [s for s in subjects() if s.kind == "features" and s.k is None],
    ids=lambda subject: subject.column,
)
def test_one_example_has_no_relations(subject):
    """A graph of one vertex has no edge; only correlation congruence sees the example itself."""
    cell = table()["one example", subject.column]
    assert cell.value == pytest.approx(0, abs=1e-7)
    assert max(cell.norms.values()) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_every_loss_has_a_column(name):
    assert [s.column for s in subjects() if s.name == name and s.is_default]


def structure(text: str) -> str:
    """The page without its numbers."""
    return re.sub(r"(?<=\| )(< )?-?\d[\d.e+-]*(?= \|)", "#", text)


def test_the_page_is_up_to_date():
    assert PAGE.is_file(), f"{PAGE.name} is missing: run `python -m tests.contract.degenerate`"
    assert structure(PAGE.read_text(encoding="utf-8")) == structure(page()), (
        "docs/degenerate.md shows other losses or situations than the tests: "
        "run `python -m tests.contract.degenerate`"
    )
