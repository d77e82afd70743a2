"""The benchmarks run, and their plain forms are what they say; no test looks at a time."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks.__main__ import measure
from benchmarks._child import features
from benchmarks._forms import chunked_distance, dense_distance, diagonal_distance
from benchmarks._measure import LeftOut, Row, interleaved, quartiles, ratios
from benchmarks._page import write_page
from benchmarks._training_cases import Scale, agree, pictures
from benchmarks._training_forms import box, by_batch, by_image, ours, prepared, shuffled
from torch import Tensor, nn

from torchlgg import graph_distillation_loss
from torchlgg.data import ImageSet
from torchlgg.nets import build_net
from torchlgg.training import Distill, Objective, TrainingConfig

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


def test_training_is_measured_against_loops_and_peers():
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "training"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "over a bare loop over batches normalised beforehand" in done.stdout
    assert ("its box alone" in done.stdout) != ("left out: needs torchdistill" in done.stdout)


@pytest.fixture
def few() -> ImageSet:
    return pictures(24)


@pytest.fixture
def short() -> TrainingConfig:
    return TrainingConfig(epochs=9, batch_size=8, learning_rate=0.01, decay_at=())


def test_the_bare_loop_takes_the_steps_of_fit(few, short):
    bare = dataclasses.replace(short, crop_padding=0, flip=False)
    nets = [build_net("small_cnn-4", num_classes=10) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    loops = ours(Objective(nets[0]), few, bare), prepared(nets[1], few, bare)
    for _ in range(3):
        mine, theirs = map(next, loops)
        assert mine == pytest.approx(theirs, rel=1e-4)


class Seen(nn.Module):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 32 * 32, 10)
        self.images: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.images.append(images)
        return self.linear(images.flatten(1))


@pytest.mark.parametrize("loop", [by_batch, by_image])
def test_plain_loops_show_crops_and_flips(loop, few, short):
    config, net = dataclasses.replace(short, crop_padding=1), Seen()
    next(loop(net, few, config))
    frames = nn.functional.pad(few.images, (1,) * 4)
    crops = [frames[..., top : top + 32, left : left + 32] for top in range(3) for left in range(3)]
    choices = few.normalize(torch.stack([x for crop in crops for x in (crop, crop.flip(-1))], 1))
    found = set()
    for place, image in zip(shuffled(config, len(few)), torch.cat(net.images), strict=True):
        apart = (choices[place] - image).abs().amax(dim=(1, 2, 3))
        assert apart.min() < 1e-5
        found.add(int(apart.argmin()))
    assert len(found) > 6
    assert {choice % 2 for choice in found} == {0, 1}


def test_different_losses_are_not_timed(few, short):
    bare = dataclasses.replace(short, crop_padding=0, flip=False)

    def other(net, train):
        return (1.001 * loss for loss in prepared(net, train, bare))

    def same(net, train):
        return prepared(net, train, bare)

    net = build_net("small_cnn-4", num_classes=10)
    scale = Scale(batch=8, steps=1, rounds=1)
    agree(net, same, same, scale)
    with pytest.raises(AssertionError):
        agree(net, same, other, scale)


def test_torchdistill_goes_down_the_same_loss(few, short):
    pytest.importorskip("torchdistill", reason="torchdistill comes with the extra 'bench'")
    bare = dataclasses.replace(short, crop_padding=0, flip=False)
    teacher, student = (build_net("wrn10-0.5", num_classes=10) for _ in range(2))
    for loss in ("hkd", "sp"):
        task = Distill(losses=(loss,), student_taps=("layer3",), teacher_taps=("layer3",))
        mine = copy.deepcopy(student)
        mine = next(ours(Objective(mine, teacher=teacher.eval(), task=task), few, bare))
        copies = copy.deepcopy(teacher), copy.deepcopy(student)
        theirs = next(box(*copies, few, bare, loss=loss, feeds_itself=False))
        assert mine == pytest.approx(theirs, rel=1e-3)


def test_a_case_without_its_peer_leaves_the_record_as_it_was(tmp_path, monkeypatch, capsys):
    row = Row("a", "1×", "1–1", "", None, {})

    def missing(quick: bool) -> list[Row]:
        raise LeftOut("needs a peer")

    options = argparse.Namespace(quick=False, only=None, results=tmp_path, shared_machine=False)
    for second in (lambda quick: [row], missing):
        cases = {"first": lambda quick: [row], "second": second}
        monkeypatch.setattr("benchmarks._cases.CASES", cases)
        measure(options)
    assert "left out: needs a peer" in capsys.readouterr().out
    (record,) = tmp_path.glob("*.json")
    cases = json.loads(record.read_text())["cases"]
    assert [len(cases[name]["rows"]) for name in ("first", "second")] == [1, 1]
