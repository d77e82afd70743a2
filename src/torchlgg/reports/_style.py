"""How every figure looks, and how it gets into a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchlgg.core import InputError, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with every kind of colour vision; without its yellow, which
# is too faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#555555"
STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "xtick.color": GREY,
    "ytick.left": False,
    # the same ids in every file: without a salt they are drawn at random
    "svg.hashsalt": "torchlgg",
}
METADATA: dict[str, dict[str, str | None]] = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
}


def write_figure(draw: Callable[[], Figure], path: str | os.PathLike[str]) -> Path:
    """Draw in our style and write one file; the same drawing gives the same bytes.

    Args:
        draw: makes the figure.
        path: a file ending in ``.svg`` or ``.png``, in a folder that exists.

    Raises:
        InputError: another ending, or a file that cannot be written.
    """
    target = Path(path)
    if target.suffix not in METADATA:
        raise InputError(f"`path` must end in '.svg' or '.png', got {str(target)!r}")

    from matplotlib import style

    with style.context(["default", STYLE]), write_atomically(target) as file:
        draw().savefig(file, format=target.suffix[1:], dpi=200, metadata=METADATA[target.suffix])
    return target
