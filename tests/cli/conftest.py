"""``lgg`` in this process: words in; exit code, standard output and standard error out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from torchlgg.cli import main


class Outcome(NamedTuple):
    """What a command left on the screen."""

    code: int
    out: str
    err: str


@pytest.fixture
def lgg(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["lgg", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run
