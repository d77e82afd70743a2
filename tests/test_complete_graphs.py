"""Sums over examples give what the matrix of pairs gives, and are taken where they cost less."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import torchlgg.losses._graph_distillation as gkd_file
import torchlgg.losses._smoothness_variation as variation_file
from tests.contract.cases import spec_options
from tests.oracles import losses as oracles
from torchlgg.graphs import GraphSpec, cosine_features
from torchlgg.losses import graph_distillation_loss, smoothness_variation_loss
from torchlgg.losses._complete_graphs import sums_pay
from torchlgg.signals import cosine_smoothness, smoothness

N = 40

SPECS = {
    "cosine": GraphSpec(),
    "graph_kd": GraphSpec.graph_kd(),
    "not normalised": GraphSpec(normalization=None),
    "shifted": GraphSpec(similarity="shifted_cosine"),
    "shifted, centred": GraphSpec(similarity="shifted_cosine", center=True),
    "centred, not normalised": GraphSpec(center=True, normalization=None),
}
SIGNED = {"not normalised", "shifted", "shifted, centred", "centred, not normalised"}


def batch(kind: str, seed: int, width: int, *, count: int = N, signed: bool = False):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, width, generator=generator, dtype=torch.float64)
    x = x if signed else x.abs() + 0.05
    if kind == "dead rows":
        x[[2, 5, 6]] = 0
        x[[seed % 5 + 10]] = 0
    elif kind == "duplicates":
        x[10:20] = x[:10]
        x[20:24] = 3 * x[0]
    elif kind == "isolated":  # one-hot rows, some of them alone on their axis
        x = torch.zeros(count, count, dtype=torch.float64)
        x[torch.arange(count), torch.arange(count) // (1 + seed % 2) % (count - 3)] = 2.7
    elif kind == "collapsed":
        x = x[:1].expand(count, -1).clone()
    elif kind == "all dead":
        x = torch.zeros_like(x)
    return x


KINDS = ["generic", "dead rows", "duplicates", "isolated", "collapsed", "all dead"]
LABELS = torch.randint(0, 3, (N,), generator=torch.Generator().manual_seed(9))


@pytest.fixture
def route(monkeypatch):
    """Sends the loss by sums or by pairs whatever the cost; counts how often sums were taken."""

    def take(by: str) -> list[int]:
        taken = []
        monkeypatch.setattr(gkd_file, "sums_pay", lambda *args, **options: by == "sums")
        real = original

        def counted(*args, **options):
            taken.append(1)
            return real(*args, **options)

        monkeypatch.setattr(gkd_file, "complete_graph_distance", counted)
        return taken

    original = gkd_file.complete_graph_distance
    return take


def value_and_gradient(student, teacher, **options):
    leaf = student.clone().requires_grad_()
    value = graph_distillation_loss(leaf, teacher, **options)
    value.backward()
    return value.detach(), leaf.grad


def both_ways(route, student, teacher, **options):
    taken = route("sums")
    by_sums = value_and_gradient(student, teacher, **options)
    assert taken == [1]
    taken = route("pairs")
    by_pairs = value_and_gradient(student, teacher, **options)
    assert taken == []
    return by_sums, by_pairs


CASES = [
    (name, power, edges)
    for name in SPECS
    for power in (1, 2)
    for edges in ("all", "intra", "inter")
    if not (power == 2 and edges == "inter")
]


def squared_norm(spec: GraphSpec, power: int, *, count: int = N) -> float:
    """What the squared norm of a graph is below: its eigenvalues are at most 1, or N."""
    return 10.0 if spec.normalization is not None else float(count) ** (2 * power)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "power", "edges"), CASES)
def test_sums_equal_pairs_equal_the_oracle(route, name, power, edges, kind):
    spec, signed = SPECS[name], name in SIGNED
    student, teacher = (batch(kind, seed, width, signed=signed) for seed, width in ((0, 5), (1, 8)))
    options = {"spec": spec, "power": power, "edges": edges, "labels": LABELS}
    (value, gradient), (expected, slope) = both_ways(route, student, teacher, **options)
    scale = squared_norm(spec, power)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12 * scale)
    atol = 1e-9 * float(slope.abs().max()) + 1e-12 * scale
    torch.testing.assert_close(gradient, slope, rtol=0, atol=atol)
    told = {**options, "spec": spec_options(spec), "labels": LABELS.numpy()}
    truth = oracles.graph_distillation_loss(student.numpy(), teacher.numpy(), **told)
    assert float(value) == pytest.approx(truth, rel=1e-9, abs=1e-12 * scale)


@pytest.mark.parametrize(("name", "power", "edges"), CASES)
def test_in_float32(route, name, power, edges):
    spec = SPECS[name]
    count = 400
    labels = torch.arange(count) % 4
    options = {"spec": spec, "power": power, "edges": edges, "labels": labels}
    teacher = batch("generic", 1, 12, count=count, signed=name in SIGNED).float()
    noise = torch.randn(teacher.shape, generator=torch.Generator().manual_seed(2))
    for student in (
        batch("generic", 0, 9, count=count, signed=name in SIGNED).float(),
        teacher * (1 + 0.01 * noise),  # the graphs agree to about 1 %: their squares cancel
    ):
        route("sums")
        value, gradient = value_and_gradient(student, teacher, **options)
        assert value.dtype == gradient.dtype == torch.float32
        route("pairs")
        truth, slope = value_and_gradient(student.double(), teacher.double(), **options)
        assert float(value) == pytest.approx(float(truth), rel=1e-4)
        assert float((gradient - slope).norm()) < 1e-3 * float(slope.norm())


@pytest.mark.parametrize(("name", "power", "edges"), CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_student_that_is_the_teacher(route, name, power, edges, dtype):
    """Zero to rounding: 1e-13 of the squared norm of the graph, from which it is a difference."""
    x = batch("generic", 0, 6, count=300, signed=name in SIGNED).to(dtype)
    options = {"spec": SPECS[name], "power": power, "edges": edges, "labels": torch.arange(300) % 3}
    route("sums")
    value, gradient = value_and_gradient(x, x.clone(), **options)
    _, slope = value_and_gradient(x, x.roll(1, 0), **options)
    assert 0 <= float(value) < 1e-13 * squared_norm(SPECS[name], power, count=300)
    assert float(gradient.norm()) < 1e-6 * float(slope.norm())


@pytest.mark.parametrize(("edges", "expected"), [("intra", None), ("inter", 0.0)])
def test_one_class(route, edges, expected):
    student, teacher = batch("generic", 0, 5), batch("generic", 1, 8)
    options = {"edges": edges, "labels": torch.full((N,), 4)}
    route("sums")
    value, gradient = value_and_gradient(student, teacher, **options)
    if expected is None:
        expected = float(graph_distillation_loss(student, teacher))
    assert float(value) == pytest.approx(expected, rel=1e-12)
    assert bool((gradient == 0).all()) == (edges == "inter")


def test_labels_that_skip_numbers_and_classes_of_one(route):
    labels = torch.tensor([-3, 100, 7] * 13 + [55])
    options = {"edges": "inter", "labels": labels, "reduction": "mean"}
    (value, gradient), (expected, slope) = both_ways(
        route, batch("generic", 0, 5), batch("generic", 1, 8), **options
    )
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient, slope, rtol=1e-7, atol=1e-12)


def test_a_batch_of_one():
    x = torch.rand(1, 4, requires_grad=True)
    value = graph_distillation_loss(x, torch.rand(1, 3))
    value.backward()
    assert float(value.detach()) == 0
    assert bool((x.grad == 0).all())


def test_blocks_of_rows_do_not_change_the_answer(route, monkeypatch):
    import torchlgg.losses._complete_graphs as file

    student, teacher = batch("generic", 0, 5, count=700), batch("generic", 1, 8, count=700)
    options = {"edges": "intra", "labels": torch.arange(700) % 2}
    whole, _ = both_ways(route, student, teacher, **options)
    monkeypatch.setattr(file, "BLOCK", 1)  # 256 rows at a time
    blocks, _ = both_ways(route, student, teacher, **options)
    torch.testing.assert_close(blocks, whole, rtol=1e-12, atol=1e-15)


# --------------------------------------------------------------------------- which way is taken


class LargestTensor(TorchDispatchMode):
    """The number of entries of the largest tensor that an operation returned."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return out


@pytest.mark.parametrize(
    ("name", "power", "edges"), [case for case in CASES if case[1] == 1 or case[2] == "all"]
)
def test_no_matrix_of_pairs_is_made(name, power, edges):
    count, width = 3000, 8
    student, teacher = (
        batch("generic", seed, width, count=count, signed=name in SIGNED).float() for seed in (0, 1)
    )
    options = {"spec": SPECS[name], "power": power, "edges": edges}
    with LargestTensor() as largest:
        value_and_gradient(student, teacher, labels=torch.arange(count) % 10, **options)
    assert largest.numel <= 8 * count * width


NOT_BY_SUMS = {
    "neighbours": {"spec": GraphSpec(k=5)},
    "distances": {"spec": GraphSpec(similarity="rbf", bandwidth=1.0)},
    "binary": {"spec": GraphSpec(weights="binary")},
    "random walk": {"spec": GraphSpec(normalization="random_walk")},
    "self": {"spec": GraphSpec(include_self=True)},
    "power 3": {"power": 3},
    "inter, power 2": {"edges": "inter", "power": 2},
}


@pytest.mark.parametrize("title", NOT_BY_SUMS)
def test_other_graphs_go_by_pairs(title):
    student, teacher = batch("generic", 0, 4, count=300), batch("generic", 1, 4, count=300)
    with LargestTensor() as largest:
        value_and_gradient(student, teacher, labels=torch.arange(300) % 2, **NOT_BY_SUMS[title])
    assert largest.numel >= 300 * 300


@pytest.mark.parametrize("signed", ["student", "teacher"])
def test_signed_cosines_go_by_pairs_because_degrees_are_of_absolute_weights(route, signed):
    pair = [
        batch("generic", seed, 5, signed=side == signed)
        for seed, side in enumerate(("student", "teacher"))
    ]
    taken = route("sums")
    value_and_gradient(*pair)
    assert taken == []


def test_the_rule():
    rule = {"power": 1, "edges": "all"}
    assert sums_pay(4096, 512, 512, **rule)
    assert sums_pay(2048, 512, 512, **rule)
    assert not sums_pay(512, 512, 512, **rule)
    assert not sums_pay(128, 8, 8, **rule)  # as fast either way
    assert not sums_pay(4096, 65_536, 16, **rule)
    assert not sums_pay(4096, 512, 512, power=1, edges="intra", classes=2000)
    assert sums_pay(4096, 512, 512, power=1, edges="intra", classes=10)


def test_without_gradient_none_is_computed(monkeypatch):
    import torchlgg.losses._complete_graphs as file

    monkeypatch.setattr(file, "_Descent", None)
    student = batch("generic", 0, 4, count=300).requires_grad_()
    with torch.no_grad():
        assert float(graph_distillation_loss(student, batch("generic", 1, 4, count=300))) > 0


# ------------------------------------------------------------------------------------ smoothness


@pytest.mark.parametrize("power", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["not normalised", "centred, not normalised", "laplacian"])
@pytest.mark.parametrize("kind", KINDS)
def test_smoothness_by_products_with_the_features(power, name, kind):
    spec = GraphSpec.laplacian_networks() if name == "laplacian" else SPECS[name]
    from torchlgg.graphs import latent_geometry_graph

    signals = torch.rand(N, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    leaves = [batch(kind, 0, 5, signed=True).requires_grad_() for _ in range(2)]
    expected = smoothness(latent_geometry_graph(leaves[0], spec), signals, power)
    features = cosine_features(leaves[1], spec)
    assert features is not None
    found = cosine_smoothness(features, signals, power)
    (slope,) = torch.autograd.grad(expected, leaves[0])
    (gradient,) = torch.autograd.grad(found, leaves[1])
    atol = 1e-12 * float(N**power)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=atol)
    torch.testing.assert_close(gradient, slope, rtol=1e-9, atol=atol)


@pytest.mark.parametrize("power", [1, 2, 3])
def test_smoothness_variation_makes_no_matrix_of_pairs(power):
    count = 2000
    layers = [batch("generic", s, w, count=count, signed=True) for s, w in ((0, 6), (1, 9))]
    labels = torch.arange(count) % 3
    leaves = [[layer.clone().requires_grad_() for layer in layers] for _ in range(2)]
    with LargestTensor() as largest:
        found = smoothness_variation_loss(leaves[0], labels, power=power)
        found.backward()
    assert largest.numel <= 2 * count * 9
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variation_file, "cosine_features", lambda *_: None)
        expected = smoothness_variation_loss(leaves[1], labels, power=power)
        expected.backward()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
    for quick, plain in zip(*leaves, strict=True):
        scale = float(plain.grad.abs().max())
        torch.testing.assert_close(quick.grad, plain.grad, rtol=0, atol=1e-9 * scale)


def test_smoothness_variation_of_a_small_wide_batch_takes_the_graph(monkeypatch):
    def never(*_):
        raise AssertionError("products with the features cost more here")

    monkeypatch.setattr(variation_file, "cosine_smoothness", never)
    layers = [torch.rand(100, 512), torch.rand(100, 64)]
    assert np.isfinite(float(smoothness_variation_loss(layers, torch.arange(100) % 10)))
