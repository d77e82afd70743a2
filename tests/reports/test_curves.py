from __future__ import annotations

import io
import math
import os

import pytest
from PIL import Image

from torchlgg.core import InputError
from torchlgg.reports import curves_figure
from torchlgg.reports._curves import _KINDS, _curves, _draw
from torchlgg.reports._style import STYLE

ROWS = [
    {
        "epoch": epoch,
        "learning_rate": 0.1 if epoch < 4 else 0.0001,
        "terms": {"ce": 2.0 / epoch, "gkd": -0.1 * epoch},
        "gradient_shares": {"ce": 0.75, "gkd": 0.25},
        "validation_error": None if epoch == 3 else 0.5 / epoch,
        "smoothness": {"layer1": 1.0, "layer2": 10.0**-epoch},
        "seconds": 3.0,
        "subject": "student",
    }
    for epoch in (1, 2, 3, 4, 5)
]


def drawn(rows, title=""):
    from matplotlib import style

    with style.context(["default", STYLE]):
        panels = [(kind, curves) for kind in _KINDS if (curves := _curves(rows, kind))]
        figure = _draw(panels, title)
        figure.savefig(io.BytesIO())
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.axison}, figure


def points(axes):
    return {
        line.get_label(): list(zip(*(data.tolist() for data in line.get_data()), strict=True))
        for line in axes.get_lines()
    }


@pytest.mark.parametrize("name", ["a.svg", "a.png"])
def test_the_same_rows_give_the_same_bytes(tmp_path, name):
    path = curves_figure(ROWS, tmp_path / name, title="gkd, seed 0")
    first = path.read_bytes()
    assert curves_figure(ROWS, path, title="gkd, seed 0").read_bytes() == first
    assert curves_figure(ROWS[:4], path).read_bytes() != first
    assert os.listdir(tmp_path) == [name]
    if name == "a.png":
        with Image.open(path) as image:
            assert image.width > 1000


def test_every_number_is_in_its_panel():
    panels, figure = drawn(ROWS, "gkd, seed 0")
    assert list(panels) == [
        "loss terms, weighted", "shares of the gradient (%)", "validation error (%)",
        "smoothness, by tap", "learning rate",
    ]  # fmt: skip
    assert points(panels["loss terms, weighted"]) == {
        "ce": [(row["epoch"], row["terms"]["ce"]) for row in ROWS],
        "gkd": [(row["epoch"], row["terms"]["gkd"]) for row in ROWS],
    }
    shares = panels["shares of the gradient (%)"]
    assert points(shares)["gkd"] == [(epoch, 25.0) for epoch in range(1, 6)]
    assert shares.get_ylim()[0] == 0
    ((_, rates),) = points(panels["learning rate"]).items()
    assert rates == [(row["epoch"], row["learning_rate"]) for row in ROWS]
    (line,) = panels["learning rate"].get_lines()
    assert line.get_drawstyle() == "steps-mid"
    assert figure.get_suptitle() == "gkd, seed 0"


def test_a_missing_value_is_a_gap():
    (errors,) = points(drawn(ROWS)[0]["validation error (%)"]).values()
    assert [epoch for epoch, error in errors if math.isnan(error)] == [3]
    # the points beside the gap are seen: 4 and 5 by their line, and a lone one by a dot
    lone, _ = drawn([row for row in ROWS if row["epoch"] != 5])
    (line,) = lone["validation error (%)"].get_lines()
    assert line.get_marker() == "o"
    (line,) = lone["learning rate"].get_lines()
    assert line.get_marker() == ""


def test_axes_are_logarithmic_where_that_helps_and_only_then():
    panels, _ = drawn(ROWS)
    scales = {title: axes.get_yscale() for title, axes in panels.items()}
    assert scales == {
        "loss terms, weighted": "linear",  # one is below zero
        "shares of the gradient (%)": "linear",
        "validation error (%)": "linear",
        "smoothness, by tap": "log",
        "learning rate": "log",
    }
    labels = [label.get_text() for label in panels["learning rate"].get_yticklabels()]
    assert "0.001" in labels
    assert not any("$" in label for label in labels)


def test_a_name_has_one_colour_in_all_panels():
    panels, _ = drawn(ROWS)
    colours = {}
    for axes in panels.values():
        for line in axes.get_lines():
            if not line.get_label().startswith("_"):
                look = (line.get_color(), line.get_linestyle())
                assert colours.setdefault(line.get_label(), look) == look
    assert len(set(colours.values())) == len(colours) == 4


def test_many_taps_are_named_by_ten_of_them():
    taps = {f"{'a.long.name.' * 5}layer{i:02d}": 1.0 + i for i in range(26)}
    panels, figure = drawn([{"epoch": epoch, "smoothness": taps} for epoch in (1, 2)])
    (axes,) = panels.values()
    assert axes.get_title(loc="left") == "smoothness, by tap (10 of 26\nnamed)"
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(names) == 10
    assert names[0] == "…" + "a.long.name.a.long.name.layer00"[-25:]
    assert names[-1].endswith("name.layer25")
    assert len({line.get_color() for line in axes.get_lines()}) == 26
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def test_one_epoch_is_dots_over_whole_epochs():
    panels, _ = drawn(ROWS[:1])
    for axes in panels.values():
        assert all(line.get_marker() == "o" for line in axes.get_lines())
        assert axes.get_xlim() == (0.5, 1.5)
        assert all(float(tick) == int(tick) for tick in axes.get_xticks())


def test_rows_that_cannot_be_drawn_are_a_sentence(tmp_path):
    for rows, sentence in [
        ([], "`rows` must hold at least one epoch, got none"),
        ([{"epoch": 1, "terms": {"ce": 1.0}}, {"loss": 1.0}], "an epoch each, row 1 has None"),
        ([{"epoch": 1, "terms": {"ce": None}}], "must hold numbers to draw under one of 'terms'"),
    ]:
        with pytest.raises(InputError, match=sentence):
            curves_figure(rows, tmp_path / "a.svg")
    with pytest.raises(InputError, match=r"must end in '\.svg' or '\.png'"):
        curves_figure(ROWS, tmp_path / "a.pdf")
    assert os.listdir(tmp_path) == []
