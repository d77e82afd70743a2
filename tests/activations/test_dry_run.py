"""The dry run: what it lists, what it prints, and that it leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.activations.models import hook_count, images, small_net
from torchlgg.activations import TapInfo, capture, dry_run
from torchlgg.core import InputError


class Mixed(nn.Module):
    """A module called twice, a tuple, a module without a tensor, one that never runs."""

    auto_taps = ("relu",)

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Linear(3, 3)
        self.held = nn.ModuleList([nn.Linear(3, 4)])
        self.relu = nn.ReLU()
        self.lstm = nn.LSTM(4, 2, batch_first=True)
        self.names = Names()

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Any:
        x = self.relu(self.held[0](self.relu(x)))
        return self.lstm(x.half().float() * scale), self.names(x)


class Names(nn.Module):
    def forward(self, x: Tensor) -> list[str]:
        return [str(x.ndim)]


def test_lists_every_call_in_order_of_execution() -> None:
    table = dry_run(Mixed(), torch.randn(2, 5, 3))
    assert [tap.name for tap in table] == ["relu:1", "held.0", "relu:2", "lstm", "names"]
    assert table[1] == TapInfo(
        name="held.0",
        module_type="Linear",
        shapes=((2, 5, 4),),
        dtype=torch.float32,
        auto=False,
    )
    assert table[3].shapes == ((2, 5, 2), (1, 2, 2), (1, 2, 2))
    assert table[3].shape == (2, 5, 2)
    assert (table[4].shape, table[4].dtype) == (None, None)
    assert [tap.auto for tap in table] == [True, False, True, False, False]
    assert table.not_run == ("idle",)
    assert len(table[1:3]) == 2


def test_prints_a_table() -> None:
    assert str(dry_run(Mixed(), torch.randn(2, 5, 3))) == "\n".join(
        [
            "name    module  shape                            dtype    auto",
            "relu:1  ReLU    (2, 5, 3)                        float32  *",
            "held.0  Linear  (2, 5, 4)                        float32",
            "relu:2  ReLU    (2, 5, 4)                        float32  *",
            "lstm    LSTM    (2, 5, 2), (1, 2, 2), (1, 2, 2)  float32",
            "names   Names   no tensor                        -",
            "not run: idle",
        ]
    )


def test_agrees_with_capture() -> None:
    from torchvision.models import mobilenet_v3_small

    model = mobilenet_v3_small(weights=None).eval()
    table = dry_run(model, images(1, 64))
    with torch.no_grad(), capture(model, "*") as taps:
        model(images(1, 64))
    assert {tap.name: tap.shape for tap in table} == {
        name: tuple(tap.shape) for name, tap in taps.items()
    }
    assert [tap.name for tap in table if tap.auto] == [
        *("features.0", "features.1", "features.3", "features.8", "features.12")
    ]


def test_layers_restrict_the_table() -> None:
    table = dry_run(small_net(), images(), layers={"4": "logits", "0": "first"})
    assert [(tap.name, tap.shape) for tap in table] == [
        ("first", (2, 4, 4, 4)),
        ("logits", (2, 5)),
    ]
    with pytest.raises(InputError, match="names '7', which is no module of Sequential"):
        dry_run(small_net(), images(), layers="7")


def test_keyword_inputs() -> None:
    with pytest.raises(TypeError, match="scale"):
        dry_run(Mixed(), torch.randn(2, 5, 3), kwargs={"scales": 2.0})
    assert len(dry_run(Mixed(), kwargs={"x": torch.randn(2, 5, 3), "scale": 2.0})) == 5


class Counting(nn.Module):
    """Changes its buffers in eval mode too, one in place and one by a new tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.tensor(3))
        self.register_buffer("last", torch.tensor(5.0), persistent=False)
        self.register_buffer("none", None)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = x.sum()
        return x


def test_leaves_no_trace() -> None:
    model = nn.Sequential(small_net(), Counting())
    model[0][1].eval()
    flags = [module.training for module in model.modules()]
    state = {name: buffer.clone() for name, buffer in model.named_buffers()}
    objects = dict(model.named_buffers())
    dry_run(model, images())
    assert [module.training for module in model.modules()] == flags
    assert dict(model.named_buffers()).keys() == state.keys()
    for name, buffer in model.named_buffers():
        assert buffer is objects[name]
        assert buffer.equal(state[name])
    assert hook_count(model) == 0
    assert all(parameter.grad is None for parameter in model.parameters())


def test_leaves_no_trace_after_an_exception() -> None:
    model = nn.Sequential(Counting(), small_net())
    with pytest.raises(RuntimeError):
        dry_run(model, images(size=9))
    assert model[0].calls == 3
    assert all(module.training for module in model.modules())
    assert hook_count(model) == 0


def test_runs_in_eval_mode_without_gradients() -> None:
    seen: list[tuple[bool, bool]] = []
    model = small_net()
    model[0].register_forward_hook(
        lambda module, _a, output: seen.append((module.training, output.requires_grad))
    )
    dry_run(model, images())
    assert seen == [(False, False)]


def test_a_model_without_automatic_taps_is_listed_all_the_same() -> None:
    table = dry_run(nn.Sequential(nn.Linear(3, 2)), torch.randn(2, 3))
    assert [(tap.name, tap.auto) for tap in table] == [("0", False)]
