"""``lgg`` in this process: words in; exit code, standard output and standard error out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from torchlgg.cli import main
from torchlgg.data import open_images
from torchlgg.nets import SavedNet, build_net


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


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained teacher for the digits, in a file that names its network."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    net = build_net("small_cnn-4", num_classes=10, in_channels=1)
    SavedNet.describe("small_cnn-4", open_images("digits", limit=100).train).write(net, path)
    return path
