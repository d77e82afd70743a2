"""A table as Markdown and in the terminal."""

from __future__ import annotations

from rich.box import HORIZONTALS
from rich.cells import cell_len
from rich.table import Table as TerminalTable
from rich.text import Text

from torchlgg.reports._table import Table


def render_markdown(table: Table) -> str:
    """The table as GitHub's Markdown, its columns aligned for reading the source as well.

    Args:
        table: any text in it; a ``|`` is escaped, and a line break becomes a space.

    Returns:
        The title in bold, the table, and the notes, with empty lines between them and one line
        end last.

    Example:
        >>> from torchlgg.reports import Column
        >>> columns = (Column(title="method", align="left"), Column(title="error (%)"))
        >>> print(render_markdown(Table(title="Digits", columns=columns,
        ...                             rows=(("alone", "9.71"), ("gkd", "10.08")))), end="")
        **Digits**
        <BLANKLINE>
        | method | error (%) |
        | :----- | --------: |
        | alone  |      9.71 |
        | gkd    |     10.08 |
    """
    lines = [[_cell(column.title) for column in table.columns]]
    lines += [[_cell(cell) for cell in row] for row in table.rows]
    # three, because a rule needs three characters
    widths = [max(3, *map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    right = [column.align == "right" for column in table.columns]
    rule = [
        "-" * (width - 1) + ":" if to_right else ":" + "-" * (width - 1)
        for width, to_right in zip(widths, right, strict=True)
    ]
    padded = [
        [
            " " * (width - cell_len(cell)) + cell
            if to_right
            else cell + " " * (width - cell_len(cell))
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        for cells in lines
    ]
    body = ["| " + " | ".join(cells) + " |" for cells in (padded[0], rule, *padded[1:])]
    parts = [f"**{_cell(table.title)}**", "\n".join(body), *map(_cell, table.notes)]
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def render_rich(table: Table) -> TerminalTable:
    """The table for a terminal; brackets in its text are text, not markup.

    Args:
        table: what to show.

    Returns:
        Something for ``rich.console.Console.print``; the notes are its caption.

    Example:
        >>> import io
        >>> from rich.console import Console
        >>> from torchlgg.reports import Column
        >>> table = Table(title="Digits", columns=(Column(title="error (%)"),), rows=(("9.71",),))
        >>> console = Console(width=40, record=True, file=io.StringIO())
        >>> console.print(render_rich(table))
        >>> [line.strip() for line in console.export_text().splitlines()]
        ['Digits', '───────────', 'error (%)', '───────────', '9.71', '───────────']
    """
    drawn = TerminalTable(
        title=Text(table.title, style="bold"),
        caption=Text("\n".join(table.notes), style="dim") if table.notes else None,
        title_justify="left",
        caption_justify="left",
        box=HORIZONTALS,
    )
    for column in table.columns:
        drawn.add_column(Text(column.title), justify=column.align)
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn
