"""Keep the record of the latest demonstration, and draw the front page's table and figure from it.

``python results/draw.py`` uses the record that is kept; ``--from runs/demo`` replaces it first.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from torchlgg.core import InputError, write_text_atomically
from torchlgg.records import RunFolder
from torchlgg.reports import comparison_figure, distillation_report, render_markdown

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "results" / "demo"
FIGURE = ROOT / "docs" / "_static" / "demo.svg"
BEGIN, END = "<!-- begin: drawn by results/draw.py -->\n", "<!-- end -->\n"


def front_page(text: str) -> str:
    """The text of the README with the table of the kept record in its place."""
    table, _ = distillation_report(RunFolder.open(KEPT).results())
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{render_markdown(table)}{END}{after}"


def keep(run: Path) -> None:
    """Copy the record of a finished run."""
    status = RunFolder.open(run).info.status
    if status != "finished":
        raise InputError(f"the run in {str(run)!r} is {status}; only finished runs are kept")
    for name in ("run.json", "results.jsonl"):
        shutil.copyfile(run / name, KEPT / name)


def main() -> None:
    """Draw, after keeping a new record if one is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="run", type=Path, help="the run folder to keep")
    run = parser.parse_args().run
    if run is not None:
        keep(run)
    _, panels = distillation_report(RunFolder.open(KEPT).results())
    comparison_figure(panels, FIGURE)
    readme = ROOT / "README.md"
    write_text_atomically(readme, front_page(readme.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
