"""The guides of the tasks as a newcomer follows them: each command in its order, in one folder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.docs.examples import PROJECT, commands
from torchlgg.cli import main

GUIDES = ["train.md", "distil.md", "embeddings.md", "robustify.md", "export.md", "engine.md"]


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_of_a_guide_works(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for line in commands(PROJECT / "docs" / name) if line.startswith("lgg ")]
    assert lines
    for line in lines:
        monkeypatch.setattr(sys, "argv", shlex.split(line, comments=True))
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        assert code == 0, f"{line}\n{said.err}"
        assert said.out, line
