"""The benchmarks run, and their plain forms are what they say; no test looks at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks._child import features
from benchmarks._forms import chunked_distance, dense_distance, diagonal_distance
from benchmarks._measure import interleaved, quartiles, ratios
from benchmarks._page import write_page

from torchlgg import graph_distillation_loss

ROOT = Path(__file__).parents[2]


def test_a_smoke_run_keeps_nothing(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "complete"]
    command += ["--results", str(tmp_path / "results")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "[1/1] complete graph" in done.stdout
    assert "diagonal matrices and a row loop" in done.stdout
    assert not list(tmp_path.rglob("*.json"))


def test_all_forms_give_the_loss():
    x, y = features(50, 7, 0).double(), features(50, 5, 1).double()
    leaf = x.clone().requires_grad_()
    expected = graph_distillation_loss(leaf, y)
    expected.backward()
    for form in (dense_distance, diagonal_distance):
        torch.testing.assert_close(form(x, y), expected.detach(), rtol=1e-6, atol=0)
    value, gradient = chunked_distance(x, y, chunk=16)
    assert value == pytest.approx(float(expected.detach()), rel=1e-12)
    torch.testing.assert_close(gradient, leaf.grad, rtol=1e-9, atol=1e-15)


def test_rounds_run_every_form_in_turn():
    calls = []
    seconds = interleaved(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2
    )
    assert calls == ["a", "b"] * 3
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_quartiles_of_ratios_within_rounds():
    assert ratios([2.0, 8.0, 3.0], [1.0, 2.0, 1.0]) == (2.5, 3.0, 3.5)
    assert quartiles([4.0]) == (4.0, 4.0, 4.0)


def test_the_page_says_what_falls_short(tmp_path):
    row = {"measure": "a", "ours": "2×", "spread": "1–3", "target": "≥ 8×", "met": False}
    row |= {"details": {"sums (ms)": 1.5}, "note": "why"}
    case = {
        "load before": 0.1,
        "threads": 2,
        "clock": "wall time",
        "torch": "2",
        "day": "today",
        "rows": [row],
    }
    record = {"machine": {"cpu": "A Processor"}, "cases": {"case": case}}
    (tmp_path / "a.json").write_text(json.dumps(record))
    page = write_page(tmp_path, tmp_path / "speed.md").read_text()
    assert "## A Processor" in page
    assert "| a | 2× | 1–3 | ≥ 8× | **falls short**; why |" in page
    assert "sums 1.5 ms" in page
