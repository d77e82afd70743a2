"""What every exported loss promises, asked of each for every setting its case declares."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType

import pytest
import torch

import torchlgg.losses
from tests.contract.cases import (
    CASES,
    GRAPH_OPTIONS,
    Call,
    Case,
    as_float,
    describe,
    exported_losses,
    module_name,
    to_oracle,
)
from torchlgg.graphs import GraphSpec

cases = pytest.mark.parametrize("case", CASES.values(), ids=str)


def over(field: str):
    """Every loss with every one of its settings."""
    return pytest.mark.parametrize(
        ("case", "setting"),
        [
            pytest.param(case, setting, id=f"{case.name}-{describe(setting)}")
            for case in CASES.values()
            for setting in getattr(case, field)
        ],
    )


def run(case: Case, call: Call) -> torch.Tensor:
    return case.function(*call.args, **call.options)


def value_and_gradients(
    case: Case, call: Call, forward: AbstractContextManager[object] | None = None
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The loss and its gradient in what it trains; zeros where a tensor takes no part."""
    call = call.floats(lambda x: x.clone())
    inputs = case.inputs_with_gradient(call)
    for x in inputs:
        x.requires_grad_(True)
    with forward or nullcontext():
        value = run(case, call)
    value.backward()
    return value.detach(), [torch.zeros_like(x) if x.grad is None else x.grad for x in inputs]


# ------------------------------------------------------------------------------- who is here


@pytest.mark.parametrize("name", exported_losses())
def test_every_exported_loss_has_a_case(name):
    assert name in CASES, (
        f"torchlgg.losses exports `{name}` but nothing is asked of it: write its oracle in "
        f"tests/oracles/losses.py and add a Case(name={name!r}, ...) to tests/contract/cases.py"
    )


def test_every_case_is_exported():
    assert set(CASES) <= set(exported_losses())


def test_every_loss_has_its_module_and_nothing_else_is_a_module():
    modules = {name for name in torchlgg.losses.__all__ if name[0].isupper()}
    assert modules == {module_name(name) for name in exported_losses()}


@cases
def test_the_case_knows_every_option(case):
    """A new option fails here until the case sweeps it."""
    signature = inspect.signature(case.function)
    options = {
        name for name, p in signature.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    swept = {name for setting in case.settings for name in setting}
    assert options - {"labels", "group"} == swept


def test_the_cases_know_every_graph_option():
    assert set(inspect.signature(GraphSpec).parameters) == set(GRAPH_OPTIONS)


# --------------------------------------------------------------------------------- the value


@over("settings")
def test_agrees_with_the_oracle(case, setting):
    for variant in case.variants():
        call = case.call(setting, variant)
        expected = case.oracle(
            *(to_oracle(arg) for arg in call.args),
            **{
                name: to_oracle(value)
                for name, value in call.options.items()
                if name != "max_memory"  # no part of any definition
            },
        )
        assert as_float(run(case, call)) == pytest.approx(expected, rel=1e-9, abs=1e-13), variant


@cases
def test_is_a_scalar_of_the_dtype_of_its_input(case):
    for setting in case.settings[:3]:
        value = run(case, case.call(setting))
        assert value.shape == ()
        assert value.dtype == torch.float64


@over("settings")
def test_does_not_depend_on_the_order_of_examples(case, setting):
    call = case.call(setting)
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    permuted = call.map(lambda x: x[order])
    value, gradients = value_and_gradients(case, call)
    value_p, gradients_p = value_and_gradients(case, permuted)
    torch.testing.assert_close(value_p, value, rtol=1e-10, atol=1e-14)
    for gradient, gradient_p in zip(gradients, gradients_p, strict=True):
        torch.testing.assert_close(gradient_p, gradient[order], rtol=1e-8, atol=1e-11)


def rotated(x: torch.Tensor) -> torch.Tensor:
    flat = x.reshape(len(x), -1)
    size = flat.shape[1]
    noise = torch.randn(size, size, generator=torch.Generator().manual_seed(size), dtype=x.dtype)
    return (flat @ torch.linalg.qr(noise).Q).reshape(x.shape)


def shifted_rows(x: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(len(x), generator=torch.Generator().manual_seed(9), dtype=x.dtype)
    return x + noise.reshape(-1, *([1] * (x.ndim - 1)))


CHANGES = {
    "rotation": rotated,
    "scale": lambda x: 3.7 * x,
    "translation": lambda x: (
        x + torch.linspace(-1, 2, x[0].numel(), dtype=x.dtype).reshape(x.shape[1:])
    ),
    "logit_shift": shifted_rows,
}


@over("settings")
def test_declared_invariances(case, setting):
    call = case.call(setting)
    value = run(case, call)
    invariances = case.invariances(setting)
    assert invariances <= set(CHANGES)
    for name in sorted(invariances):
        first, *others = call.args
        changed = Call(
            (
                [CHANGES[name](x) for x in first]
                if isinstance(first, list)
                else CHANGES[name](first),
                *(CHANGES[name](x) if case.has_teacher else x for x in others),
            ),
            call.options,
        )
        torch.testing.assert_close(run(case, changed), value, rtol=1e-8, atol=1e-12, msg=name)


@over("settings")
def test_is_zero_where_the_paper_says_zero(case, setting):
    for call in case.zero_calls(setting):
        value, gradients = value_and_gradients(case, call)
        # |x - x| leaves the rounding of each side
        assert abs(value) <= 1e-10
        if case.kind != "layers":  # |sigma - sigma| has a corner there
            for gradient in gradients:
                assert gradient.abs().max() <= case.gradient_at_zero


@cases
def test_is_not_zero_on_generic_input(case):
    assert as_float(run(case, case.call(case.settings[0]))) > 1e-6


# ------------------------------------------------------------------------------- the gradient


@over("gradient_settings")
def test_gradient_is_the_derivative(case, setting):
    for variant in case.variants():
        call = case.call(setting, variant)
        inputs = [x.clone().requires_grad_(True) for x in case.inputs_with_gradient(call)]

        def value(*xs, call=call):
            first = list(xs) if isinstance(call.args[0], list) else xs[0]
            return case.function(first, *call.args[1:], **call.options)

        assert torch.autograd.gradcheck(value, inputs, atol=1e-7, rtol=1e-4, fast_mode=False)


@pytest.mark.parametrize("name", ["graph_distillation_loss", "smoothness_variation_loss"])
@pytest.mark.parametrize("k", [None, 3])
def test_binary_weights_have_zero_gradient_not_none(name, k):
    case = CASES[name]
    call = case.call({"spec": GraphSpec(weights="binary", k=k)})
    value, gradients = value_and_gradients(case, call)
    assert torch.isfinite(value)
    assert all(not gradient.any() for gradient in gradients)


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.has_teacher], ids=str)
def test_no_gradient_reaches_the_teacher(case):
    for setting in case.settings[:5]:
        call = case.call(setting)
        student, teacher = (x.clone().requires_grad_(True) for x in call.args)
        case.function(student, teacher, **call.options).backward()
        assert teacher.grad is None


@over("settings")
def test_leaves_its_inputs_alone(case, setting):
    call = case.call(setting)
    before = call.map(torch.clone)
    versions = [x._version for x in case.inputs_with_gradient(call)]
    value_and_gradients(case, Call(call.args, call.options))
    run(case, call)

    def compare(left, right):
        if isinstance(left, torch.Tensor):
            assert torch.equal(left, right)
        elif isinstance(left, list):
            for item, other in zip(left, right, strict=True):
                compare(item, other)

    for left, right in zip(call.args, before.args, strict=True):
        compare(left, right)
    assert [x._version for x in case.inputs_with_gradient(call)] == versions


# -------------------------------------------------------------------------------- precisions


@cases
def test_float32_agrees_with_float64(case):
    for setting in case.settings:
        exact = value_and_gradients(case, case.call(setting))
        single = value_and_gradients(case, case.call(setting, dtype=torch.float32))
        assert single[0].dtype == torch.float32
        # to 2e-4 of the value, and of the largest entry of the gradient
        torch.testing.assert_close(single[0].double(), exact[0], rtol=2e-4, atol=1e-6)
        for g32, g64 in zip(single[1], exact[1], strict=True):
            size = float(g64.abs().max())
            torch.testing.assert_close(g32.double(), g64, rtol=0, atol=2e-4 * size + 1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@cases
def test_half_precision_input_is_computed_in_float32(case, dtype):
    """The only loss of precision is the caller's: the same rounded input in float32 agrees."""
    for setting in case.settings[:12]:
        half = case.call(setting).floats(lambda x: x.to(dtype))
        value, gradients = value_and_gradients(case, half)
        expected, wanted = value_and_gradients(case, half.floats(lambda x: x.float()))
        torch.testing.assert_close(value.float(), expected, rtol=1e-6, atol=1e-7)
        exact = run(case, case.call(setting))
        assert abs(value.double() - exact) <= 0.1 * abs(exact) + 0.1, setting
        for gradient, want in zip(gradients, wanted, strict=True):
            assert gradient.dtype == dtype
            assert gradient.isfinite().all()
            size = float(want.abs().max())
            torch.testing.assert_close(gradient.float(), want, rtol=1e-2, atol=1e-2 * size)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@cases
def test_autocast_changes_nothing(case, dtype):
    for setting in case.settings[:12]:
        call = case.call(setting, dtype=torch.float32)
        value, gradients = value_and_gradients(case, call)
        autocast = torch.autocast("cpu", dtype=dtype)
        value_a, gradients_a = value_and_gradients(case, call, autocast)
        assert value_a.dtype == torch.float32
        torch.testing.assert_close(value_a, value, rtol=1e-6, atol=1e-9)
        for gradient_a, gradient in zip(gradients_a, gradients, strict=True):
            torch.testing.assert_close(gradient_a, gradient, rtol=1e-5, atol=1e-8)


# ------------------------------------------------------------------------------- the module


def build(case: Case, setting) -> torch.nn.Module:
    return case.module(**setting)


@over("settings")
def test_module_is_the_function(case, setting):
    call = case.call(setting)
    module = build(case, setting)
    keywords = {name: value for name, value in call.options.items() if name not in setting}
    assert torch.equal(module(*call.args, **keywords), run(case, call))
    assert not list(module.parameters())


@over("settings")
def test_module_prints_what_was_set(case, setting):
    text = repr(build(case, setting))
    defaults = {n: p.default for n, p in inspect.signature(case.function).parameters.items()}
    for name, value in setting.items():
        assert f"{name}={value!r}" in text or value == defaults[name]
    names = {"GraphSpec": GraphSpec, case.module.__name__: case.module}
    assert repr(eval(text, names)) == text


@cases
def test_module_points_to_its_function(case):
    assert case.name in (case.module.__doc__ or "")
    wrong = {"no_such_option": 1, **case.settings[-1]}
    with pytest.raises(TypeError):
        case.module(**wrong)


# ----------------------------------------------------------------------------------- the taps


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.takes_taps], ids=str)
def test_taps_are_averaged(case):
    """A list, a tuple and a mapping of taps give the mean of the single taps."""
    for setting in case.settings[:12]:
        calls = [case.call(setting, seed=seed) for seed in range(3)]
        expected = sum(run(case, call) for call in calls) / 3
        students = [call.args[0] for call in calls]
        teachers = [call.args[1] for call in calls]
        options = calls[0].options
        named = [dict(zip("abc", taps, strict=True)) for taps in (students, teachers)]
        for student, teacher in [
            (students, teachers),
            (tuple(students), tuple(teachers)),
            named,
            [MappingProxyType(taps) for taps in named],
            (dict(zip("xyz", students, strict=True)), dict(zip("abc", teachers, strict=True))),
        ]:
            value = case.function(student, teacher, **options)
            torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-15)


def test_layers_may_be_a_mapping():
    case = CASES["smoothness_variation_loss"]
    layers, labels = case.call({}).args
    named = dict(zip("abc", layers, strict=True))
    assert torch.equal(case.function(named, labels), case.function(layers, labels))
