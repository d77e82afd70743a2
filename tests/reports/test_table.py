from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from torchlgg.core import InputError
from torchlgg.reports import Column, Table, render_markdown, render_rich

COLUMNS = (Column(title="method", align="left"), Column(title="error (%)"), Column(title="n"))
TABLE = Table(
    title="Digits",
    columns=COLUMNS,
    rows=(("alone", "10.08 [9.9, 10.3]", "5"), ("gkd | own", "9.7 [red]", "–")),
    notes=("First note.", "Second note."),
)


def shown(table, width=100):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render_rich(table))
    return console.export_text()


def test_markdown_is_aligned_for_eyes_and_for_renderers():
    assert render_markdown(TABLE) == (
        "**Digits**\n"
        "\n"
        "| method     |         error (%) |   n |\n"
        "| :--------- | ----------------: | --: |\n"
        "| alone      | 10.08 [9.9, 10.3] |   5 |\n"
        "| gkd \\| own |         9.7 [red] |   – |\n"
        "\n"
        "First note.\n"
        "\n"
        "Second note.\n"
    )


@pytest.mark.parametrize("text", ["", "x", "ab\ncd", "a|b", "表格", "é", "–"])
def test_every_line_of_a_markdown_table_is_equally_wide(text):
    table = Table(title="t", columns=COLUMNS[:2], rows=((text, text), ("long enough", "longer")))
    lines = render_markdown(table).split("\n")[2:-1]
    assert len(lines) == 4
    assert len({cell_len(line) for line in lines}) == 1


def test_markdown_cells_come_back():
    lines = render_markdown(TABLE).split("\n")[2:6]
    cells = [
        [cell.strip().replace("\0", "|") for cell in line.replace("\\|", "\0").split("|")[1:-1]]
        for line in lines
    ]
    assert cells[0] == [column.title for column in TABLE.columns]
    assert [tuple(row) for row in cells[2:]] == list(TABLE.rows)


def test_a_table_without_rows_or_notes_still_stands():
    table = Table(title="Nothing yet", columns=COLUMNS, rows=())
    assert render_markdown(table).count("\n") == 4
    assert "error (%)" in shown(table)


def test_the_terminal_shows_everything_and_takes_no_text_for_markup():
    text = shown(TABLE)
    for part in ("Digits", "error (%)", "10.08 [9.9, 10.3]", "9.7 [red]", "First note."):
        assert part in text
    line = next(line for line in text.splitlines() if "alone" in line)
    heading = next(line for line in text.splitlines() if "method" in line)
    assert line.index("alone") == heading.index("method")
    assert line.index("10.3]") + len("10.3]") == heading.index("(%)") + len("(%)")


def test_a_table_is_a_rectangle():
    with pytest.raises(InputError, match="`columns` must hold at least one column, got none"):
        Table(title="t", columns=(), rows=())
    with pytest.raises(InputError, match=r"one cell a column, 3; row 1 has 2: \('a', 'b'\)"):
        Table(title="t", columns=COLUMNS, rows=(("a", "b", "c"), ("a", "b")))
