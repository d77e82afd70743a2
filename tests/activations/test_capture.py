"""What taps hold: values, order, names, passes, gradients, pooling, errors."""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.activations.models import hook_count, images, small_net
from torchlgg.activations import MissingTapError, Taps, capture
from torchlgg.core import InputError


def chain(model: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    """The true output of every module, each computed on a copy of the one before."""
    outputs = {}
    for name, module in model.named_children():
        x = module(x.clone())
        outputs[name] = x.clone()
    return outputs


class Twice(nn.Module):
    """Runs `late` before `early`, `relu` twice, and never runs `idle`."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Linear(3, 3)
        self.late = nn.Linear(3, 3)
        self.relu = nn.ReLU()
        self.idle = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.early(self.relu(self.late(x))))


class Returns(nn.Module):
    """Wraps a linear layer's output the way `wrap` says."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.part = Wrapping(wrap)

    def forward(self, x: Tensor) -> Any:
        return self.part(x)


class Wrapping(nn.Module):
    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.linear(x))


@pytest.mark.parametrize("training", [True, False])
def test_taps_are_the_modules_outputs(training: bool) -> None:
    model = small_net().train(training)
    expected = chain(model, images())
    with capture(model, "*") as taps:
        output = model(images())
    assert list(taps) == ["0", "1", "2", "3", "4"]
    for name, tensor in expected.items():
        torch.testing.assert_close(taps[name], tensor, rtol=0, atol=0)
    torch.testing.assert_close(output, expected["4"], rtol=0, atol=0)


def test_the_output_of_the_network_does_not_change() -> None:
    model = small_net()
    plain = model(images())
    plain.sum().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    with capture(model, "*"):
        captured = model(images())
    captured.sum().backward()
    torch.testing.assert_close(captured, plain, rtol=0, atol=0)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=0)


def test_order_is_that_of_execution_and_containers_come_after_their_parts() -> None:
    model = nn.Sequential(OrderedDict(block=Twice()))
    with capture(model, ["block.early", "block.late", "block"]) as taps:
        model(torch.randn(2, 3))
    assert list(taps) == ["block.late", "block.early", "block"]


def test_a_module_called_twice_has_two_taps() -> None:
    model = Twice()
    x = torch.randn(2, 3)
    with capture(model, ["relu", "late"]) as taps:
        model(x)
    assert list(taps) == ["late", "relu:1", "relu:2"]
    first = torch.relu(model.late(x))
    torch.testing.assert_close(taps["relu:1"], first)
    torch.testing.assert_close(taps["relu:2"], torch.relu(model.early(first)))
    with pytest.raises(MissingTapError, match=r"'relu' was called 2 times: ask for 'relu:1'"):
        taps["relu"]


def test_one_module_under_two_paths_is_one_tap() -> None:
    model = nn.Sequential()
    model.a = nn.Linear(3, 3)
    model.b = model.a
    with capture(model, "*") as taps:
        model(torch.randn(2, 3))
    assert list(taps) == ["a:1", "a:2"]
    with capture(model, "b") as taps:
        model(torch.randn(2, 3))
    assert list(taps) == ["b:1", "b:2"]
    with pytest.raises(InputError, match="names 'a' and 'b', which are one module"):
        capture(model, ["a", "b"]).__enter__()


def test_a_parameter_shared_by_two_modules_leaves_two_taps() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    with capture(model, ["0", "1"]) as taps:
        output = model(torch.randn(2, 3))
    assert list(taps) == ["0", "1"]
    assert taps["1"].equal(output)
    assert not taps["0"].equal(output)


def test_a_second_pass_starts_afresh() -> None:
    model = small_net().eval()
    with capture(model, ["1", "4"]) as taps:
        model(images(3))
        first = taps["4"]
        output = model(images(2))
    assert list(taps) == ["1", "4"]
    assert taps["4"].equal(output)
    assert first.shape == (3, 5)


def test_a_pass_that_failed_is_replaced_by_the_next() -> None:
    model = small_net()
    with capture(model, ["0", "4"]) as taps:
        with pytest.raises(RuntimeError):
            model(images(size=9))
        assert list(taps) == ["0"]
        model(images(3))
        model(images(2))
    assert {name: len(tap) for name, tap in taps.items()} == {"0": 2, "4": 2}


def test_a_pass_that_another_hook_refused_is_replaced_by_the_next() -> None:
    model = small_net()

    def refuse_large(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if len(args[0]) > 3:
            raise RuntimeError("too large")

    model.register_forward_pre_hook(refuse_large)
    with capture(model, "0") as taps:
        with pytest.raises(RuntimeError, match="too large"):
            model(images(4))
        model(images(3))
        model(images(2))
    assert {name: len(tap) for name, tap in taps.items()} == {"0": 2}


def test_a_model_that_calls_itself_is_one_pass() -> None:
    class Recursive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x: Tensor, depth: int = 2) -> Tensor:
            x = self.linear(x)
            return self(x, depth - 1) if depth else x

    model = Recursive()
    with capture(model, "linear") as taps:
        model(torch.randn(2, 3))
        model(torch.randn(2, 3))
    assert list(taps) == ["linear:1", "linear:2", "linear:3"]


def test_a_model_used_by_its_parts_is_one_pass() -> None:
    model = small_net()
    with capture(model, ["0"]) as taps:
        output = model[0](images())
    assert taps["0"].equal(output)


def test_parts_called_after_the_pass_do_not_count() -> None:
    model = small_net()
    with capture(model, ["0"]) as taps:
        model(images(2))
        model[0](images(3))
    assert {name: len(tap) for name, tap in taps.items()} == {"0": 2}


def test_recomputation_of_checkpoints_during_backward_does_not_count() -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_net()

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.net, x, use_reentrant=False)

    model = Checkpointed()
    plain = small_net()
    with capture(model, "net.1") as taps:
        output = model(images())
        (output.sum() + taps["net.1"].square().sum()).backward()
    assert list(taps) == ["net.1"]
    with capture(plain, "1") as plain_taps:
        output = plain(images())
        (output.sum() + plain_taps["1"].square().sum()).backward()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("pool", [None, "mean", "max"])
def test_gradients_reach_the_weights_before_the_tap(pool: Any) -> None:
    model = small_net().double().eval()
    x = images().double()

    def loss(weight: Tensor) -> Tensor:
        with capture(model, "1", pool=pool) as taps:
            torch.func.functional_call(model, {"0.weight": weight}, x)
        return taps["1"].pow(3).sum()

    weight = model[0].weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, weight)
    assert torch.autograd.grad(loss(weight), weight)[0].abs().max() > 1e-2


def test_the_gradient_of_the_output_reaches_the_tap() -> None:
    model = small_net()
    x = images()
    with capture(model, "1") as taps:
        output = model(x)
    (gradient,) = torch.autograd.grad(output[:, 2].sum(), taps["1"])
    tap = taps["1"].detach().requires_grad_()
    expected = nn.functional.linear(tap.relu().flatten(1), model[4].weight)[:, 2].sum()
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, tap)[0])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode: Any) -> None:
    model = small_net()
    expected = chain(model, images())["1"]
    with mode(), capture(model, "1") as taps:
        model(images())
    assert not taps["1"].requires_grad
    torch.testing.assert_close(taps["1"], expected, rtol=0, atol=0)


def test_autocast_gives_the_types_that_the_network_computes() -> None:
    model = small_net()
    with torch.autocast("cpu", dtype=torch.bfloat16), capture(model, ["0", "4"]) as taps:
        model(images())
    assert [tap.dtype for tap in taps.values()] == [torch.bfloat16] * 2
    taps["0"].float().sum().backward()
    assert model[0].weight.grad is not None


Pair = namedtuple("Pair", ["mask", "features"])


@dataclass
class Output:
    loss: Tensor | None
    hidden: tuple[Tensor, ...]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: (x, x + 1),
        lambda x: [None, "text", x],
        lambda x: {"out": x, "aux": x + 1},
        lambda x: Pair(None, x),
        lambda x: Output(loss=None, hidden=(x, x + 1)),
        lambda x: OrderedDict(logits=None, states=[(), (x,)]),
    ],
    ids=["tuple", "list", "dict", "namedtuple", "dataclass", "nested"],
)
def test_of_a_compound_output_the_first_tensor_is_the_tap(wrap: Any) -> None:
    model = Returns(wrap)
    x = torch.randn(4, 3)
    with capture(model, "part") as taps:
        output = model(x)
    assert type(output) is type(wrap(x))
    torch.testing.assert_close(taps["part"], model.part.linear(x))
    taps["part"].sum().backward()
    assert model.part.linear.weight.grad is not None


@pytest.mark.parametrize("wrap", [lambda x: None, lambda x: {"n": 3}, lambda x: Output])
def test_an_output_without_a_tensor_is_an_error(wrap: Any) -> None:
    model = Returns(wrap)
    with (
        pytest.raises(InputError, match=r"'part', whose output must hold a tensor: it returned "),
        capture(model, "part"),
    ):
        model(torch.randn(4, 3))
    assert hook_count(model) == 0


def test_an_lstm_gives_its_outputs() -> None:
    model = nn.Sequential(OrderedDict(lstm=nn.LSTM(3, 4, batch_first=True)))
    with capture(model, "lstm", pool="mean") as taps:
        (output, _state) = model(torch.randn(2, 5, 3))
    torch.testing.assert_close(taps["lstm"], output.mean(1))


class Shaped(nn.Module):
    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x
        self.part = nn.Identity()

    def forward(self) -> Tensor:
        return self.part(self.x)


def pooled(x: Tensor, pool: Any) -> Tensor:
    model = Shaped(x)
    with capture(model, "part", pool=pool) as taps:
        model()
    return taps["part"]


@pytest.mark.parametrize(
    ("shape", "places"), [((2, 3, 4, 5), (2, 3)), ((2, 3, 2, 4, 5), (2, 3, 4)), ((2, 6, 3), (1,))]
)
def test_pooling_of_maps_and_tokens(shape: tuple[int, ...], places: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    torch.testing.assert_close(pooled(x, "mean"), x.mean(places))
    torch.testing.assert_close(pooled(x, "max"), x.amax(places))


def test_cls_is_the_first_token() -> None:
    x = torch.randn(2, 6, 3)
    tap = pooled(x, "cls")
    torch.testing.assert_close(tap, x[:, 0])
    assert tap.untyped_storage().nbytes() == tap.nbytes  # does not keep the sequence alive


@pytest.mark.parametrize("pool", ["mean", "max", "cls"])
def test_pooling_leaves_vectors_as_they_are(pool: Any) -> None:
    x = torch.randn(2, 3)
    torch.testing.assert_close(pooled(x, pool), x, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("shape", "pool", "message"),
    [
        ((4,), "mean", r"'part' has shape \(4,\); capture it without `pool`"),
        ((2, 3, 4, 4), "cls", r"first token of \(N, T, D\): 'part' has shape \(2, 3, 4, 4\)"),
    ],
)
def test_pooling_of_other_shapes_is_an_error(
    shape: tuple[int, ...], pool: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pooled(torch.randn(shape), pool)


def test_an_unknown_pool_is_an_error() -> None:
    model = small_net()
    with pytest.raises(InputError, match=r"`pool` must be one of None, 'mean', 'max', 'cls'"):
        capture(model, "0", pool="avg").__enter__()
    assert hook_count(model) == 0


def test_two_captures_do_not_disturb_each_other() -> None:
    model = small_net()
    expected = chain(model, images())
    with capture(model, ["0", "1"]) as outer:
        with capture(model, ["1", "2"], pool="mean") as inner:
            model(images())
        assert hook_count(model) == 5  # root before and after (twice counted), two modules
        before = inner["1"]
        model(images(4))
    assert list(outer) == ["0", "1"]
    assert len(outer["1"]) == 4
    assert inner["1"] is before
    torch.testing.assert_close(inner["1"], expected["1"].mean((2, 3)))
    torch.testing.assert_close(inner["2"], expected["2"].mean((2, 3)))
    assert hook_count(model) == 0


def test_two_captures_of_one_module_give_the_same_values() -> None:
    model = small_net()
    expected = chain(model, images())["1"]
    with capture(model, "1") as first, capture(model, {"1": "norm"}) as second:
        output = model(images())
    torch.testing.assert_close(first["1"], expected, rtol=0, atol=0)
    torch.testing.assert_close(second["norm"], expected, rtol=0, atol=0)
    for tap in (first["1"], second["norm"]):
        assert torch.autograd.grad(output.sum(), tap, retain_graph=True)[0].abs().max() > 0


def test_student_and_teacher_at_once() -> None:
    student, teacher = small_net(), small_net()
    with capture(student, "0") as of_student, capture(teacher, "0") as of_teacher:
        student(images(2))
        teacher(images(3))
    assert (len(of_student["0"]), len(of_teacher["0"])) == (2, 3)


def test_hooks_go_away_after_the_block() -> None:
    model = small_net()
    with capture(model, "*"):
        model(images())
        assert hook_count(model) > 0
    assert hook_count(model) == 0


def test_hooks_go_away_after_an_exception_in_the_block() -> None:
    model = small_net()
    with pytest.raises(KeyError, match="mine"), capture(model, "*"):
        raise KeyError("mine")
    assert hook_count(model) == 0


def test_hooks_go_away_after_an_exception_in_the_forward_pass() -> None:
    model = small_net()
    with pytest.raises(RuntimeError), capture(model, "*"):
        model(images(size=9))
    assert hook_count(model) == 0


def test_hooks_go_away_when_one_cannot_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_net()

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no hooks here")

    monkeypatch.setattr(model[3], "register_forward_hook", refuse)
    with pytest.raises(RuntimeError, match="no hooks here"), capture(model, "*"):
        pass
    assert hook_count(model) == 0


def test_other_hooks_stay_and_are_seen() -> None:
    model = small_net()
    model[0].register_forward_hook(lambda _m, _a, output: output * 2)
    with capture(model, "0") as taps:
        model(images())
    assert hook_count(model) == 1
    torch.testing.assert_close(taps["0"], model[0](images()))


def test_an_unknown_name_leaves_no_hooks() -> None:
    model = small_net()
    with pytest.raises(InputError, match="'conv', which is no module of Sequential"):
        capture(model, ["0", "conv"]).__enter__()
    assert hook_count(model) == 0


def test_a_block_without_a_pass_is_an_error() -> None:
    with (
        pytest.raises(InputError, match=r"saw no forward pass of Sequential: call it inside"),
        capture(small_net(), "0"),
    ):
        pass


def test_a_named_module_that_does_not_run_is_an_error() -> None:
    model = Twice()
    with (
        pytest.raises(InputError, match=r"'idle', which did not run in the forward pass of Twice"),
        capture(model, ["late", "idle"]),
    ):
        model(torch.randn(2, 3))
    assert hook_count(model) == 0


def test_of_a_glob_some_modules_may_not_run_but_not_none() -> None:
    model = Twice()
    with capture(model, "*") as taps:
        model(torch.randn(2, 3))
    assert "idle" not in taps
    with pytest.raises(InputError, match=r"'i\*', which did not run"), capture(model, "i*"):
        model(torch.randn(2, 3))


def test_looking_up_a_missing_tap_says_why() -> None:
    model = Twice()
    with capture(model, "*") as taps:
        with pytest.raises(
            MissingTapError, match=r"^tap 'late' is empty: no forward pass ran yet$"
        ):
            taps["late"]
        model(torch.randn(2, 3))
    with pytest.raises(MissingTapError, match=r"'idle' is empty: its module did not run"):
        taps["idle"]
    with pytest.raises(MissingTapError, match=r"'lat' is no tap; did you mean 'late'\?"):
        taps["lat"]
    with pytest.raises(KeyError):
        taps["idle"]
    assert taps.get("idle") is None


def test_taps_are_a_mapping() -> None:
    model = small_net()
    with capture(model, ["0", "4"]) as taps:
        assert len(taps) == 0
        model(images())
    assert isinstance(taps, Taps)
    assert len(taps) == 2
    assert list(taps.values())[1] is taps["4"]
    assert repr(taps) == "Taps({'0': (2, 4, 4, 4), '4': (2, 5)})"


def test_tensors_live_no_longer_than_the_taps() -> None:
    model = small_net()
    gc.disable()
    try:
        with torch.no_grad(), capture(model, "1") as taps:
            model(images())
            first = weakref.ref(taps["1"])
            model(images())
            assert first() is None
        last = weakref.ref(taps["1"])
        assert last() is not None
        del taps
        assert last() is None
    finally:
        gc.enable()
