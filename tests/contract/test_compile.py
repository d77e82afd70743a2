"""Compiled in one piece, every loss gives the value and the gradient it gives eagerly.

Most go through the tracer and the autograd compiler only (``aot_eager``), which is where data-
dependent code breaks; two are compiled to machine code.
"""

from __future__ import annotations

import shutil

import pytest
import torch

from tests.contract.cases import CASES, Case, describe
from torchlgg.graphs import GraphSpec, latent_geometry_graph
from torchlgg.signals import label_indicators, smoothness


def settings():
    return [
        pytest.param(case, setting, id=f"{case.name}-{describe(setting)}")
        for case in CASES.values()
        for setting in case.compile_settings
    ]


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def value_and_gradients(function, case: Case, setting, dtype):
    call = case.call(setting, dtype=dtype)
    inputs = [x.requires_grad_(True) for x in case.inputs_with_gradient(call)]
    value = function(*call.args, **call.options)
    value.backward()
    return value.detach(), [x.grad for x in inputs]


def compare(compiled, case, setting, dtype, **tolerance):
    value, gradients = value_and_gradients(case.function, case, setting, dtype)
    value_c, gradients_c = value_and_gradients(compiled, case, setting, dtype)
    torch.testing.assert_close(value_c, value, **tolerance)
    for gradient_c, gradient in zip(gradients_c, gradients, strict=True):
        torch.testing.assert_close(gradient_c, gradient, **tolerance)


@pytest.mark.parametrize(("case", "setting"), settings())
def test_traced_in_one_piece_equals_eager(case, setting):
    compiled = torch.compile(case.function, fullgraph=True, backend="aot_eager")
    compare(compiled, case, setting, torch.float64, rtol=1e-9, atol=1e-12)


# torch's own compiler warns of torch's own deprecations, and here warnings are errors
@pytest.mark.filterwarnings("ignore::FutureWarning:torch")
@pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))),
    reason="machine code needs a C++ compiler, and there is none",
)
@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("graph_distillation_loss", {"spec": GraphSpec(k=3)}),
        ("relational_distance_loss", {}),
    ],
)
def test_machine_code_equals_eager(name, setting):
    case = CASES[name]
    compiled = torch.compile(case.function, fullgraph=True)
    compare(compiled, case, setting, torch.float32, rtol=1e-4, atol=1e-6)


def test_a_graph_and_its_signals_in_one_piece():
    def variation(x, labels):
        graph = latent_geometry_graph(x, GraphSpec(k=3, similarity="rbf"))
        return smoothness(graph, label_indicators(labels, 3).to(x.dtype), 2)

    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1, 1, 0])
    compiled = torch.compile(variation, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, labels), variation(x, labels), rtol=1e-9, atol=1e-12)


def test_the_last_batch_may_be_smaller():
    """One compiled function serves both sizes, as at the end of an epoch."""
    case = CASES["graph_distillation_loss"]
    setting = {"spec": GraphSpec(k=3)}
    compiled = torch.compile(case.function, fullgraph=True, backend="aot_eager")
    for count in (7, 5, 6):
        call = case.call(setting).map(lambda x, count=count: x[:count])
        expected = case.function(*call.args, **call.options)
        torch.testing.assert_close(compiled(*call.args, **call.options), expected)


@pytest.mark.parametrize("case", CASES.values(), ids=str)
def test_compiled_under_autocast_computes_in_float32(case):
    """The gradient too: the compiler makes it where the forward is traced, inside autocast."""
    setting = case.compile_settings[0]
    compiled = torch.compile(case.function, fullgraph=True, backend="aot_eager")

    def under_autocast(*args, **options):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return compiled(*args, **options)

    compare(under_autocast, case, setting, torch.float32, rtol=1e-4, atol=1e-6)


def test_bad_values_are_passed_on_not_hidden():
    case = CASES["graph_distillation_loss"]
    call = case.call({})
    student = call.args[0].clone()
    student[2, 0, 0] = float("nan")
    compiled = torch.compile(case.function, fullgraph=True, backend="aot_eager")
    assert compiled(student, call.args[1]).isnan()
