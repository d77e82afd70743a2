"""The front page says what the kept record says, and its examples run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from torchlgg.records import RunFolder
from torchlgg.reports import distillation_report

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_table_is_that_of_the_record() -> None:
    drawn = runpy.run_path(str(ROOT / "results" / "draw.py"))["front_page"](README)
    assert drawn == README, "stale: run `make results`"


def test_figure_is_that_of_the_record() -> None:
    """Bytes depend on the version of matplotlib; the means beside the marks do not."""
    figure = (ROOT / "docs" / "_static" / "demo.svg").read_text(encoding="utf-8")
    _, panels = distillation_report(RunFolder.open(ROOT / "results" / "demo").results())
    written = set(re.findall(r"<!-- ([-−0-9.]+) -->", figure))
    for panel in panels:
        for group in panel.groups:
            near = [text for text in written if text == f"{group.mean:.{_decimals(text)}f}"]
            assert near, f"stale: {panel.title} of {group.label} is {group.mean}"


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def test_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert list(names["taps"]) == ["layer1", "layer2", "pool"]  # type: ignore[call-overload]
    assert names["student"].grad is not None  # type: ignore[attr-defined]
    assert capsys.readouterr().out == ""
