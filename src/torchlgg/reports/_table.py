"""A table of text, made once and rendered anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torchlgg.core import InputError


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column's heading.

    Args:
        title: with the unit, such as ``"error (%)"``.
        align: numbers stand right, words left.

    Example:
        >>> Column(title="error (%)").align
        'right'
    """

    title: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Headings, rows of cells, and the sentences that belong below.

    Args:
        title: one line above the table.
        columns: at least one.
        rows: each with one text a column.
        notes: sentences below the table: protocols, what an interval is.

    Raises:
        InputError: no column, or a row of another length.

    Example:
        >>> Table(title="t", columns=(Column(title="a"), Column(title="b")), rows=(("1",),))
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: `rows` must have one cell a column, 2; row 0 has 1: ('1',)
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the table is a rectangle."""
        if not self.columns:
            raise InputError("`columns` must hold at least one column, got none")
        for place, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise InputError(
                    f"`rows` must have one cell a column, {len(self.columns)}; "
                    f"row {place} has {len(row)}: {row!r}"
                )
