"""A run as curves over its epochs."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torchlgg.core import InputError
from torchlgg.reports._style import COLOURS, GREY, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Curves = dict[str, list[tuple[int, float]]]
_DASHES: tuple[Any, ...] = ("solid", (0, (4, 1.5)))
_PANELS_A_ROW = 2
_MOST_NAMES = 10
_LONGEST = 26  # letters of a name: its end tells taps apart
_DECADES = 1.5  # positive curves that span more of them are drawn on a logarithmic axis


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What a panel shows of each row."""

    key: str
    title: str
    factor: float = 1.0
    scale: Literal["by span", "from zero"] = "by span"
    steps: bool = False


_KINDS = (
    _Kind(key="terms", title="loss terms, weighted"),
    _Kind(key="gradient_shares", title="shares of the gradient (%)", factor=100, scale="from zero"),
    _Kind(key="validation_error", title="validation error (%)", factor=100, scale="from zero"),
    _Kind(key="smoothness", title="smoothness, by tap"),
    _Kind(key="learning_rate", title="learning rate", steps=True),
)


def curves_figure(
    rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str], *, title: str = ""
) -> Path:
    """Draw the rows of ``metrics.jsonl`` over the epochs, and write one file.

    A panel each for the terms of the loss, their shares of the gradient, the validation error,
    the smoothness of each tap and the learning rate, as far as the rows have them. A term has one
    colour in all panels; more than ten taps go from dark to bright in their order, and ten of
    them are named. Values that are missing, such as those of an epoch that diverged,
    leave a gap. Terms, smoothness and learning rate are drawn on a logarithmic axis where they are
    positive and span more than a factor of 30. The same rows give the same bytes.

    Args:
        rows: as of ``RunFolder.metrics``, each with its ``epoch``; ``smoothness``, where a row has
            it, is a mapping from taps to numbers.
        path: a file ending in ``.svg`` or ``.png``, in a folder that exists.
        title: one line above the panels, such as the run's recipe and seed.

    Returns:
        ``path``.

    Raises:
        InputError: no row, a row without an epoch, nothing in them to draw, another ending, or a
            file that cannot be written.

    Example:
        >>> import tempfile
        >>> rows = [{"epoch": epoch, "terms": {"ce": 2 / epoch}, "validation_error": 0.5 / epoch}
        ...         for epoch in (1, 2, 3)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     curves_figure(rows, f"{folder}/curves.svg").name
        'curves.svg'
    """
    if not rows:
        raise InputError("`rows` must hold at least one epoch, got none")
    for place, row in enumerate(rows):
        if not isinstance(row.get("epoch"), int):
            raise InputError(f"`rows` must have an epoch each, row {place} has {row.get('epoch')}")
    panels = [(kind, curves) for kind in _KINDS if (curves := _curves(rows, kind))]
    if not panels:
        known = ", ".join(repr(kind.key) for kind in _KINDS)
        raise InputError(f"`rows` must hold numbers to draw under one of {known}, got none")
    return write_figure(lambda: _draw(panels, title), path)


def _curves(rows: Sequence[Mapping[str, Any]], kind: _Kind) -> _Curves:
    """The numbers of each name by epoch, NaN where there is none; names without any left out."""
    found: list[tuple[int, dict[str, float]]] = []
    for row in rows:
        value = row.get(kind.key)
        several = value if isinstance(value, Mapping) else {"": value}
        numbers = {
            str(name): kind.factor * number
            for name, number in several.items()
            if isinstance(number, int | float) and math.isfinite(number)
        }
        found.append((row["epoch"], numbers))
    names = dict.fromkeys(name for _, numbers in found for name in numbers)
    return {
        name: [(epoch, numbers.get(name, math.nan)) for epoch, numbers in found] for name in names
    }


def _draw(panels: Sequence[tuple[_Kind, _Curves]], title: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    across = min(len(panels), _PANELS_A_ROW)
    down = math.ceil(len(panels) / across)
    width = max(6.0, 0.4 + 4.4 * across)
    figure = Figure(
        figsize=(width, 0.5 + 2.4 * down),
        layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08),
    )
    grid = figure.subplots(down, across, squeeze=False)
    named = dict.fromkeys(name for _, curves in panels for name in curves if name)
    places = {name: place for place, name in enumerate(named)}
    for place, axes in enumerate(grid.flat):
        if place < len(panels):
            _draw_panel(axes, *panels[place], places)
        else:
            axes.set_axis_off()
    figure.supxlabel("epoch", fontsize=9, color=GREY)
    if title:
        wrapped = textwrap.fill(title, int(11 * width))
        figure.suptitle(wrapped, x=0.01, ha="left", fontsize=11)
    return figure


def _draw_panel(axes: Axes, kind: _Kind, curves: _Curves, places: Mapping[str, int]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    shown = _evenly(list(curves), _MOST_NAMES)
    for position, (name, points) in enumerate(curves.items()):
        place = places.get(name, 0)
        if len(curves) > _MOST_NAMES:  # too many to tell apart: dark to bright in their order
            colour, line = _shade(position / (len(curves) - 1)), _DASHES[0]
        else:  # a name that comes back to a colour has another kind of line
            colour = COLOURS[place % len(COLOURS)]
            line = _DASHES[place // len(COLOURS) % len(_DASHES)]
        axes.plot(
            [epoch for epoch, _ in points],
            [value for _, value in points],
            label=_short(name) if name in shown else None,
            color=colour,
            linestyle=line,
            linewidth=1.6,
            drawstyle="steps-mid" if kind.steps else "default",
            # a line of one epoch, or between two gaps, is a point
            marker="o" if _has_lone_points(points) else "",
            markersize=3,
        )
    numbers = [v for points in curves.values() for _, v in points if not math.isnan(v)]
    low, high = min(numbers), max(numbers)
    if kind.scale == "by span" and low > 0 and math.log10(high / low) > _DECADES:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif kind.scale == "from zero":
        axes.set_ylim(bottom=0, top=1.05 * high or 1.0)
    few = "" if len(curves) == len(shown) else f" ({len(shown)} of {len(curves)} named)"
    axes.set_title(textwrap.fill(kind.title + few, 32))
    epochs = [epoch for points in curves.values() for epoch, _ in points]
    margin = max(0.5, 0.03 * (max(epochs) - min(epochs)))
    axes.set_xlim(min(epochs) - margin, max(epochs) + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    if len(curves) > 1 or "" not in curves:
        axes.legend(
            frameon=False,
            fontsize=8,
            handlelength=1.6,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.03),
            borderaxespad=0.2,
        )


def _evenly(names: Sequence[str], most: int) -> list[str]:
    """At most so many of the names, the first and the last among them."""
    if len(names) <= most:
        return list(names)
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]


def _short(name: str) -> str | None:
    if not name:
        return None
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"


def _shade(position: float) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return to_hex(colormaps["viridis"](0.92 * position))


def _has_lone_points(points: Sequence[tuple[int, float]]) -> bool:
    there = [False, *(not math.isnan(value) for _, value in points), False]
    return any(
        here and not before and not after
        for before, here, after in zip(there, there[1:], there[2:], strict=False)
    )
