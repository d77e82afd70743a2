from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from torchlgg.core import InputError
from torchlgg.reports import Group, Panel, comparison_figure

METHODS = {"alone": 10.1, "HKD": 9.9, "RKD-D": 10.0, "GKD": 9.7}
OFFSETS = (-0.31, -0.12, 0.04, 0.11, 0.28)


def panel(title="test error", unit="%", **changes):
    groups = [Group(label="teacher", values=(), mean=6.73)]
    groups += [
        Group(
            label=label,
            values=tuple(mean + offset for offset in OFFSETS),
            mean=mean,
            low=mean - 0.28,
            high=mean + 0.28,
        )
        for label, mean in METHODS.items()
    ]
    return Panel(**({"title": title, "unit": unit, "groups": tuple(groups)} | changes))


@pytest.mark.parametrize("name", ["a.svg", "a.png"])
def test_the_same_panels_give_the_same_bytes(tmp_path, name):
    panels = [panel(), panel("agreement", "%")]
    path = comparison_figure(panels, tmp_path / name)
    assert path == tmp_path / name
    first = path.read_bytes()
    comparison_figure(panels, path)
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == [name]
    other = [panel(), panel("agreement", "s")]
    assert comparison_figure(other, path).read_bytes() != first


def test_another_process_with_other_settings_gives_the_same_bytes(tmp_path):
    panels = [panel()]
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 31\nxtick.labelsize: 31\nsvg.hashsalt: other\n"
    )
    script = (
        "import sys\n"
        "from torchlgg.reports import Group, Panel, comparison_figure\n"
        f"panels = {panels!r}\n"
        "comparison_figure(panels, sys.argv[1])\n"
    )
    environment = os.environ | {
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "SOURCE_DATE_EPOCH": "1",
        "PYTHONHASHSEED": "7",
    }
    there = tmp_path / "there.svg"
    subprocess.run([sys.executable, "-c", script, str(there)], env=environment, check=True)
    here = comparison_figure(panels, tmp_path / "here.svg")
    assert there.read_bytes() == here.read_bytes()


def test_a_figure_says_nothing_of_when_it_was_drawn(tmp_path):
    svg = comparison_figure([panel()], tmp_path / "a.svg").read_text()
    assert "<dc:date>" not in svg
    assert not re.search(r"20\d\d-\d\d-\d\d", svg)
    with Image.open(comparison_figure([panel()], tmp_path / "a.png")) as image:
        assert "Software" not in image.info


def test_it_leaves_matplotlibs_settings_as_they_were(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    comparison_figure([panel()], tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


def drawn(panels, caption="c"):
    from matplotlib import style

    from torchlgg.reports._figure import _draw
    from torchlgg.reports._style import STYLE

    with style.context(["default", STYLE]):
        return _draw(panels, caption)


def dots(axes):
    """Every dot and diamond: its place and its colour."""
    for collection in axes.collections:
        if not hasattr(collection, "get_segments"):
            for x, y in np.asarray(collection.get_offsets()).tolist():
                yield x, y, tuple(collection.get_facecolor()[0][:3])


def test_every_number_is_where_it_belongs():
    (axes,) = drawn([panel()]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["teacher", *METHODS]
    assert axes.get_title(loc="left") == "test error (%)"
    points = [(x, y) for x, y, _ in dots(axes)]
    assert (6.73, 0.0) in points
    for row, mean in enumerate(METHODS.values(), start=1):
        assert (mean, float(row)) in points
        assert sorted(x for x, y in points if row < y < row + 0.5) == [mean + o for o in OFFSETS]
    ends = [
        segment.tolist()
        for collection in axes.collections
        if hasattr(collection, "get_segments")
        for segment in collection.get_segments()
    ]
    assert [[10.1 - 0.28, 1.0], [10.1 + 0.28, 1.0]] in ends
    assert [text.get_text() for text in axes.texts] == ["6.73", "10.10", "9.90", "10.00", "9.70"]
    low, high = axes.get_xlim()
    assert low < 6.73
    assert high > 10.1 + 0.28
    bottom, top = axes.get_ylim()
    assert bottom > top  # the first method is at the top


def test_a_method_keeps_its_row_and_colour_in_every_panel():
    without = panel("distance", "", groups=panel().groups[2:])
    first, second = drawn([panel(), without]).axes
    colour = {}
    for axes in (first, second):
        for _, height, found in dots(axes):
            assert colour.setdefault(round(height - 0.1), found) == found
    assert len(set(colour.values())) == 5
    assert {(round(height - 0.1), x) for x, height, _ in dots(second)} >= {(2, 9.9), (4, 9.7)}
    assert {round(height - 0.1) for _, height, _ in dots(second)} == {2, 3, 4}
    assert second.get_title(loc="left") == "distance"


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3)), (7, (3, 3))]
)
def test_panels_fill_rows_of_at_most_three(count, shape):
    figure = drawn([panel(f"panel {i}") for i in range(count)])
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == shape
    assert sum(axes.axison for axes in figure.axes) == count
    assert figure.get_supxlabel() == "c"


def test_the_usual_caption_needs_one_line():
    usual = inspect.signature(comparison_figure).parameters["caption"].default
    assert drawn([panel()], usual).get_supxlabel() == usual
    assert "\n" in drawn([panel()], "word " * 40).get_supxlabel()


def test_nothing_is_cut_off(tmp_path):
    long = panel(
        "a measurement with a name that is really long",
        groups=(Group(label="a method whose name is long as well", values=(1.0,), mean=1.0),),
    )
    for panels in ([panel()], [panel() for _ in range(5)], [long]):
        figure = drawn(panels, "dots: single runs · diamond: their mean · line: its interval")
        figure.savefig(tmp_path / "a.png")
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


def test_degenerate_values_can_be_drawn(tmp_path):
    cases = [
        Group(label="", values=(), mean=0.0),
        Group(label="equal", values=(5.0, 5.0), mean=5.0, low=5.0, high=5.0),
        Group(label="tiny", values=(1e-12,), mean=1e-12),
        Group(label=r"$\frac$ & <b>", values=(-3e8,), mean=-3e8, low=-4e8, high=1e8),
    ]
    for group in cases:
        one = Panel(title="t", unit="", groups=(group,))
        for name in ("a.svg", "a.png"):
            assert comparison_figure([one], tmp_path / name).stat().st_size > 1000


NAN = float("nan")


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda path: comparison_figure([], path / "a.svg"), "`panels` must hold at least one"),
        (
            lambda path: comparison_figure([panel()], path / "a.pdf"),
            r"`path` must end in '\.svg' or '\.png', got '.*a\.pdf'",
        ),
        (
            lambda path: comparison_figure([panel()], path / "absent" / "a.svg"),
            r"cannot write '.*a\.svg': no such file or directory",
        ),
        (lambda _: panel(groups=()), "`groups` of the panel 'test error' must hold at least one"),
        (lambda _: panel(groups=panel().groups * 2), "different labels, 'teacher' is there twice"),
        (lambda _: Group(label="a", values=(1.0, NAN), mean=1.0), "`values` of 'a' must be finite"),
        (lambda _: Group(label="a", values=(), mean=NAN), "`mean` of 'a' must be finite, got nan"),
        (
            lambda _: Group(label="a", values=(), mean=1.0, low=0.0),
            "`low` and `high` of 'a' must both be given or both be None, got 0.0 and None",
        ),
        (
            lambda _: Group(label="a", values=(), mean=1.0, low=2.0, high=0.5),
            "`low` of 'a' must not be above `high`, got 2.0 and 0.5",
        ),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, call, sentence):
    with pytest.raises(InputError, match=sentence):
        call(tmp_path)
    assert os.listdir(tmp_path) == []
