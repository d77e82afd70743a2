"""Under torch.compile: taps are never silently missing, and compilation comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.activations.models import images, small_net
from torchlgg.activations import capture, dry_run
from torchlgg.core import InputError


class CountingBackend:
    """Runs graphs as they are; counts the calls of compiled code."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, graph: torch.fx.GraphModule, _inputs: list[Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            self.runs += 1
            return graph(*args)

        return run


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Any:
    torch.compiler.reset()
    yield
    assert torch._dynamo.eval_frame._stance.stance == "default"
    torch.compiler.reset()


def compiled_by_call(model: nn.Module, backend: CountingBackend) -> nn.Module:
    return torch.compile(model, backend=backend)


def compiled_in_place(model: nn.Module, backend: CountingBackend) -> nn.Module:
    model.compile(backend=backend)
    return model


def compiled_inside(model: nn.Module, backend: CountingBackend) -> nn.Module:
    model[0] = torch.compile(model[0], backend=backend)
    return model


WAYS = [compiled_by_call, compiled_in_place, compiled_inside]


@pytest.mark.parametrize("used_before", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_taps_of_a_compiled_model(way: Any, used_before: bool) -> None:
    backend = CountingBackend()
    model = way(small_net(), backend)
    plain = small_net()
    if used_before:
        with torch.no_grad():
            model(images())
            plain(images())
    for batch in (2, 2, 3):  # again: what was compiled between two blocks must not come back
        for net in (model, plain):
            with capture(net, ["0", "1"]) as taps:
                output = net(images(batch))
            assert list(taps) == ["0", "1"]
            (output.sum() + taps["1"].square().sum()).backward()
            net.shown = taps["1"].detach()
        torch.testing.assert_close(model.shown, plain.shown)
        with torch.no_grad():
            torch.testing.assert_close(model(images()), plain(images()))
    assert backend.runs > 0
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("way", WAYS)
def test_compiled_code_runs_again_after_the_block(way: Any) -> None:
    backend = CountingBackend()
    model = way(small_net().eval(), backend)
    model(images())
    with capture(model, "1"):
        before = backend.runs
        model(images())
        assert backend.runs == before
    model(images())
    assert backend.runs == before + 1


def test_compiled_code_runs_again_after_an_exception() -> None:
    backend = CountingBackend()
    model = compiled_by_call(small_net().eval(), backend)
    with pytest.raises(KeyError), capture(model, "1"):
        raise KeyError("mine")
    model(images())
    assert backend.runs == 1


def test_blocks_that_close_out_of_order() -> None:
    backend = CountingBackend()
    model = compiled_by_call(small_net().eval(), backend)
    first, second = capture(model, "1"), capture(model, "4")
    first.__enter__()
    taps = second.__enter__()
    model(images())
    first.__exit__(None, None, None)
    output = model(images(3))
    assert taps["4"].equal(output)
    assert backend.runs == 0
    second.__exit__(None, None, None)
    model(images())
    assert backend.runs == 1


def test_a_compiled_function_around_the_model() -> None:
    model = small_net()
    step = torch.compile(lambda x: model(x) * 2, backend="eager")
    step(images())
    with capture(model, "4") as taps:
        output = step(images())
    torch.testing.assert_close(taps["4"] * 2, output)


def test_a_model_compiled_in_the_block() -> None:
    model = small_net()
    with capture(model, ["1", "4"]) as taps:
        output = torch.compile(model, backend="eager")(images())
    assert list(taps) == ["1", "4"]
    assert taps["4"].equal(output)


SENTENCE = r"`capture` cannot be opened inside a function that torch.compile compiles: open it"


def capturing_step(model: nn.Module) -> Callable[[Tensor], Tensor]:
    def step(x: Tensor) -> Tensor:
        x = x + 1
        with capture(model, "1") as taps:
            model(x)
        return taps["1"].sum()

    return step


def test_a_block_inside_a_compiled_function_is_an_error() -> None:
    model = small_net()
    step = torch.compile(capturing_step(model), backend="eager")
    for _ in range(2):
        with pytest.raises(InputError, match=SENTENCE):
            step(images())
    assert not model._forward_pre_hooks


def test_a_block_inside_a_compiled_full_graph_is_quoted_in_the_error_of_torch() -> None:
    step = torch.compile(capturing_step(small_net()), backend="eager", fullgraph=True)
    with pytest.raises(Exception, match=SENTENCE):
        step(images())


def test_dry_run_of_a_compiled_model() -> None:
    model = compiled_by_call(small_net(), CountingBackend())
    model(images())
    assert [tap.name for tap in dry_run(model, images())] == ["0", "1", "2", "3", "4"]
