"""Methods side by side as a figure: every run a dot, the mean and its interval beside them."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torchlgg.core import InputError
from torchlgg.reports._style import COLOURS, GREY, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS_A_ROW = 3


@dataclass(frozen=True, kw_only=True)
class Group:
    """One method in one panel.

    Args:
        label: the method's name.
        values: one a run; may be empty.
        mean: their summary.
        low: the lower end of its interval, or ``None``.
        high: the upper end, ``None`` together with ``low``.

    Raises:
        InputError: NaN or infinity, or one end of the interval without the other.

    Example:
        >>> Group(label="gkd", values=(9.5, 9.9), mean=9.7, low=7.2, high=12.2).label
        'gkd'
    """

    label: str
    values: tuple[float, ...]
    mean: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Check that everything can be drawn."""
        numbers = {"values": self.values, "mean": (self.mean,)}
        numbers |= {"low": () if self.low is None else (self.low,)}
        numbers |= {"high": () if self.high is None else (self.high,)}
        for name, several in numbers.items():
            for number in several:
                if not math.isfinite(number):
                    raise InputError(f"`{name}` of {self.label!r} must be finite, got {number}")
        if (self.low is None) != (self.high is None):
            raise InputError(
                f"`low` and `high` of {self.label!r} must both be given or both be None, "
                f"got {self.low} and {self.high}"
            )
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InputError(
                f"`low` of {self.label!r} must not be above `high`, got {self.low} and {self.high}"
            )


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One measurement of several methods.

    Args:
        title: what was measured.
        unit: such as ``"%"``; empty for a plain number.
        groups: at least one, with different labels.

    Raises:
        InputError: no group, or two of one label.

    Example:
        >>> Panel(title="a", unit="%", groups=())
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: `groups` of the panel 'a' must hold at least one, got none
    """

    title: str
    unit: str
    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        """Check that the groups can be told apart."""
        if not self.groups:
            raise InputError(
                f"`groups` of the panel {self.title!r} must hold at least one, got none"
            )
        labels = [group.label for group in self.groups]
        for label in labels:
            if labels.count(label) > 1:
                raise InputError(
                    f"`groups` of the panel {self.title!r} must have different labels, "
                    f"{label!r} is there twice"
                )


def comparison_figure(
    panels: Sequence[Panel],
    path: str | os.PathLike[str],
    *,
    caption: str = "dots: single runs · diamond: their mean · line: its interval",
) -> Path:
    """Draw the panels side by side, methods from top to bottom, and write one file.

    Every run is a pale dot, the mean a diamond with its value, the interval a line through it.
    A method has one colour and one height in all panels; one that a panel does not have leaves
    its row there empty. The axes show the data, they need not start at 0. The same panels give
    the same bytes, with the same versions of matplotlib and its libraries.

    Args:
        panels: at least one, up to three to a row of the figure.
        path: a file ending in ``.svg`` or ``.png``, in a folder that exists.
        caption: one line below the panels that says what is drawn, such as which interval.

    Returns:
        ``path``.

    Raises:
        InputError: no panel, another ending, or a file that cannot be written.

    Example:
        >>> import tempfile
        >>> group = Group(label="gkd", values=(9.5, 9.9), mean=9.7, low=7.2, high=12.2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     panels = [Panel(title="error", unit="%", groups=(group,))]
        ...     comparison_figure(panels, f"{folder}/a.svg").name
        'a.svg'
    """
    if not panels:
        raise InputError("`panels` must hold at least one panel, got none")
    return write_figure(lambda: _draw(panels, caption), path)


def _draw(panels: Sequence[Panel], caption: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    labels = list(dict.fromkeys(group.label for panel in panels for group in panel.groups))
    wrapped = [textwrap.fill(label, 24) for label in labels]
    longest = max((len(line) for label in wrapped for line in label.splitlines()), default=0)
    down = math.ceil(len(panels) / _PANELS_A_ROW)
    across = math.ceil(len(panels) / down)
    width = max(4.5, 0.3 + longest / 12 + 2.75 * across)
    figure = Figure(  # inches: a letter of a label is about a twelfth wide
        figsize=(width, 0.4 + down * (0.7 + 0.48 * len(labels))),
        layout=ConstrainedLayoutEngine(h_pad=0.08),
    )
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    for place, axes in enumerate(grid.flat):
        if place < len(panels):
            _draw_panel(axes, panels[place], labels)
            axes.set_yticks(range(len(labels)), wrapped)
        else:
            axes.set_axis_off()
    figure.supxlabel(textwrap.fill(caption, int(14 * width)), fontsize=9, color=GREY)
    return figure


def _draw_panel(axes: Axes, panel: Panel, labels: Sequence[str]) -> None:
    decimals = _decimals(panel)
    for group in panel.groups:
        row = labels.index(group.label)
        colour = COLOURS[row % len(COLOURS)]
        # below the mean, in two heights by turns, so that near values stay apart
        heights = [row + 0.20 + 0.10 * (i % 2) for i in range(len(group.values))]
        axes.scatter(group.values, heights, s=16, color=colour, alpha=0.5, linewidths=0, zorder=2)
        if group.low is not None and group.high is not None:
            axes.hlines(row, group.low, group.high, color=colour, linewidth=2, zorder=3)
            axes.vlines(
                [group.low, group.high], row - 0.09, row + 0.09, color=colour, linewidth=2, zorder=3
            )
        axes.scatter([group.mean], [row], s=28, marker="D", color=colour, linewidths=0, zorder=3)
        axes.annotate(
            f"{round(group.mean, decimals) + 0.0:.{decimals}f}",  # + 0.0 turns -0.0 into 0.0
            (group.mean, row),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
        )
    unit = f" ({panel.unit})" if panel.unit else ""
    axes.set_title(textwrap.fill(panel.title + unit, 30))
    axes.set_ylim(len(labels) - 0.4, -0.7)
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)


def _decimals(panel: Panel) -> int:
    """Enough for two digits of the narrowest interval, or of the spread of the means."""
    halves = [
        (g.high - g.low) / 2 for g in panel.groups if g.high is not None and g.low is not None
    ]
    means = [group.mean for group in panel.groups]
    widths = [*filter(None, halves)] or [max(means) - min(means) or max(map(abs, means))]
    smallest = min(widths)
    return 0 if smallest == 0 else min(6, max(0, 1 - math.floor(math.log10(smallest))))
