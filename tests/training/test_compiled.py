"""A compiled run is a run: the same numbers, the same files, and really compiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training.making import CONFIG, Plain, assert_close, distillation, trained
from torchlgg.activations import Tapped, capture
from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images
from torchlgg.training import EpochReport, Objective, Robustify, SmoothnessVariation

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))),
    reason="machine code needs a C++ compiler, and there is none",
)


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return open_images("digits", limit=96).train


def compiled_and_not(
    digits: ImageSet, make: Callable[[], Objective], *, graphs: int
) -> tuple[list[EpochReport], list[EpochReport]]:
    """The reports of a compiled run and of one that is not, whose weights must agree."""
    config = replace(CONFIG, epochs=1)
    objective = make()
    eager: list[int] = []
    for module in objective.student.children():
        module.register_forward_hook(
            lambda module, _a, _out: (
                eager.append(1) if module.training and not torch.compiler.is_compiling() else None
            )
        )
    hooks = sum(len(module._forward_hooks) for module in objective.student.modules())
    found, reports = trained(objective, digits, config, compile="default")
    counters = torch._dynamo.utils.counters
    assert not counters["graph_break"], counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == graphs
    assert not eager
    assert hooks == sum(len(module._forward_hooks) for module in objective.student.modules())
    expected, told = trained(make(), digits, config)
    assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert reports[0].terms == pytest.approx(told[0].terms, rel=1e-5)
    return reports, told


def test_machine_code_trains_to_the_same_weights(digits: ImageSet) -> None:
    """Taps of the student, graphs between them, and shares of the gradient."""

    def make() -> Objective:
        task = Robustify(variation=SmoothnessVariation(weight=0.1), layers=("first", "pool"))
        return Objective(Plain(), task=task)

    reports, told = compiled_and_not(digits, make, graphs=1)
    assert reports[0].gradient_shares == pytest.approx(told[0].gradient_shares, rel=1e-4)


def test_student_and_teacher_are_compiled_in_one_piece_each(
    digits: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch norm, dropout and a balanced loss, by the tracer and the autograd compiler alone."""
    compile_ = torch.compile

    def traced(model: nn.Module, *, mode: str, dynamic: bool) -> Callable[..., Any]:
        assert mode == "default"
        return compile_(model, dynamic=dynamic, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", traced)
    reports, told = compiled_and_not(digits, distillation, graphs=2)
    assert reports[0].gradient_shares == pytest.approx(told[0].gradient_shares, rel=1e-4)


def test_parts_of_a_batch_are_compiled_too(
    digits: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_ = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda model, **_: compile_(model, dynamic=False, backend="aot_eager")
    )
    config = replace(CONFIG, epochs=1)
    settings = {"micro_batches": 2, "precision": "bfloat16"}
    found, _ = trained(distillation(Plain()), digits, config, compile="default", **settings)
    expected, _ = trained(distillation(Plain()), digits, config, **settings)
    assert_close(found, expected, rtol=1e-4, atol=1e-5)


class Busy(nn.Module):
    """Taps that are overwritten in place, called twice, and inside a tuple."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 4)
        self.relu = nn.ReLU(inplace=True)
        self.pair = Pair()

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        x = self.relu(x) - 0.5
        return self.relu(self.pair(x)[0])


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        return 2 * x, 7


@pytest.mark.parametrize("compiled", [False, True])
def test_tapped_gives_what_capture_gives(compiled: bool) -> None:
    net, x = Busy(), torch.linspace(-1, 1, 20).view(5, 4)
    tapped = Tapped(net, "*")
    run = torch.compile(tapped, backend="aot_eager", fullgraph=True) if compiled else tapped
    for _ in range(2):
        output, taps = run(x)
    tapped.check(taps)
    net.relu.inplace = False  # `capture` does not copy what comes in a tuple, and would refuse
    with capture(net, "*") as expected:
        expected_output = net(x)
    assert list(taps) == list(expected) == ["linear", "relu:1", "pair", "relu:2"]
    torch.testing.assert_close(output, expected_output)
    for name, tap in expected.items():
        torch.testing.assert_close(taps[name], tap)
    assert not tapped._calls  # what the network gives by itself is not kept
    tapped.remove()
    assert not any(module._forward_hooks for module in net.modules())


def test_a_wish_that_does_not_run() -> None:
    net = Plain()
    net.spare = nn.ReLU()
    tapped = Tapped(net, ["first", "spare"])
    _, taps = tapped(torch.ones(2, 1, 8, 8))
    with pytest.raises(InputError, match=r"`layers` asks for 'spare', which did not run"):
        tapped.check(taps)
