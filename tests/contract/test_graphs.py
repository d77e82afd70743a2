"""The graphs agree with the oracle for every combination of their options, on generic data."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch

from tests.contract.cases import GRAPH_OPTIONS, HARD_LABELS, N, covering, spec_options
from tests.oracles import graphs as oracle
from tests.oracles import signals as signal_oracle
from torchlgg.graphs import GraphSpec, class_edges, graph_edges, latent_geometry_graph
from torchlgg.signals import label_indicators, laplacian, smoothness


def features(*, seed: int, signed: bool, count: int = N) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, 3, generator=generator, dtype=torch.float64)
    return x if signed else x.abs() + 0.05


def combinations(**fixed):
    """Every combination of the other options; a bandwidth matters to distances only."""
    options = GRAPH_OPTIONS | {name: [value] for name, value in fixed.items()}
    if fixed["similarity"] in ("cosine", "shifted_cosine"):
        options["bandwidth"] = ["median"]
    for values in itertools.product(*options.values()):
        yield GraphSpec(**dict(zip(options, values, strict=True)))


def assert_same(found: torch.Tensor, expected: np.ndarray, message: str) -> None:
    np.testing.assert_allclose(
        found.numpy(), expected, rtol=1e-9, atol=1e-13, equal_nan=False, err_msg=message
    )


@pytest.mark.parametrize("neighbors", GRAPH_OPTIONS["neighbors"])
@pytest.mark.parametrize("similarity", GRAPH_OPTIONS["similarity"])
def test_every_combination_of_options(similarity, neighbors):
    for index, spec in enumerate(combinations(similarity=similarity, neighbors=neighbors)):
        # 7 examples have 21 pairs, 8 have 28: the median has a middle, or a lower one
        dice = random.Random(index)
        x = features(seed=index, signed=dice.random() < 0.7, count=dice.choice([7, 8]))
        expected, edges = oracle.graph_and_edges(x.numpy(), **spec_options(spec))
        assert_same(latent_geometry_graph(x, spec), expected, str(spec))
        np.testing.assert_array_equal(graph_edges(x, spec).numpy(), edges, str(spec))


def settings(strength):
    return [
        pytest.param(GraphSpec(**options), id=str(index))
        for index, options in enumerate(covering(GRAPH_OPTIONS, strength))
    ]


@pytest.mark.parametrize("edges", ["intra", "inter"])
@pytest.mark.parametrize("spec", settings(3))
def test_within_classes(spec, edges):
    x = features(seed=4, signed=True)
    within = class_edges(HARD_LABELS, edges)
    expected, kept = oracle.graph_and_edges(
        x.numpy(),
        **spec_options(spec),
        within=oracle.class_edges(HARD_LABELS.numpy(), edges),
    )
    assert_same(latent_geometry_graph(x, spec, within=within), expected, str(spec))
    np.testing.assert_array_equal(graph_edges(x, spec, within=within).numpy(), kept, str(spec))


@pytest.mark.parametrize("spec", settings(3))
def test_with_the_edges_of_another_graph(spec):
    x, other = features(seed=5, signed=True), features(seed=6, signed=True)
    mask = graph_edges(other, spec)
    expected = oracle.latent_geometry_graph(
        x.numpy(),
        **spec_options(spec),
        mask=oracle.graph_edges(other.numpy(), **spec_options(spec)),
    )
    assert_same(latent_geometry_graph(x, spec, mask=mask), expected, str(spec))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_degree_that_is_rounding_is_no_degree(dtype):
    """Orthogonal rows, and opposed ones under the shifted cosine, stay unjoined when normalised."""
    noise = torch.randn(5, 5, generator=torch.Generator().manual_seed(1), dtype=dtype)
    orthogonal = torch.linalg.qr(noise).Q
    line = torch.tensor([[1.1], [-2.3]], dtype=dtype) * orthogonal[:1]
    for normalization in ("symmetric", "random_walk"):
        spec = GraphSpec(normalization=normalization)
        assert not latent_geometry_graph(orthogonal, spec).any()
        shifted = GraphSpec(similarity="shifted_cosine", normalization=normalization)
        for factor in (1, 3, 253):
            assert not latent_geometry_graph(factor * line, shifted).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("spec", settings(2))
def test_half_precision_and_autocast_do_not_rewire(spec, dtype):
    """Cosines near one, as in real layers: rounding them to half would move the neighbours."""
    x = (1 + 0.2 * features(seed=8, signed=True, count=40)).to(dtype)
    expected, edges = latent_geometry_graph(x.float(), spec), graph_edges(x.float(), spec)
    for given in (x, x.float()):
        with torch.autocast("cpu", dtype=dtype):
            found = latent_geometry_graph(given, spec)
            assert torch.equal(graph_edges(given, spec), edges)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    assert torch.equal(latent_geometry_graph(x, spec), expected)


@pytest.mark.parametrize("normalization", ["symmetric", "random_walk"])
def test_a_weight_of_zero_has_the_published_gradient(normalization):
    """ReLU features that share no active unit: |w| has a corner there, the published w has none."""

    def gradient(x: torch.Tensor) -> torch.Tensor:
        x = x.clone().requires_grad_(True)
        graph = latent_geometry_graph(x, GraphSpec(normalization=normalization))
        (graph * torch.arange(16.0, dtype=x.dtype).reshape(4, 4)).sum().backward()
        assert x.grad is not None
        return x.grad

    x = torch.tensor(
        [[1.0, 2.0, 0.0, 0.0], [2.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 3.0], [0.0, 1.0, 0.0, 2.0]],
        dtype=torch.float64,
    )
    torch.testing.assert_close(gradient(x), gradient(x + 1e-9), rtol=1e-6, atol=1e-6)


def test_edges_have_no_gradient_and_inputs_stay():
    x = features(seed=9, signed=True).requires_grad_(True)
    before = x.detach().clone()
    for options in covering(GRAPH_OPTIONS):
        assert not graph_edges(x, GraphSpec(**options)).requires_grad
        latent_geometry_graph(x, GraphSpec(**options)).sum().backward()
    assert torch.equal(x.detach(), before)


@pytest.mark.parametrize("edges", ["all", "intra", "inter"])
def test_class_edges(edges):
    found = class_edges(HARD_LABELS, edges)
    assert found.dtype == torch.bool
    np.testing.assert_array_equal(found.numpy(), oracle.class_edges(HARD_LABELS.numpy(), edges))


@pytest.mark.parametrize("normalization", [None, "symmetric", "random_walk"])
@pytest.mark.parametrize("signed", [False, True])
def test_laplacian_and_smoothness(signed, normalization):
    """Also of a directed graph with self loops, and of soft labels and a single signal."""
    x = features(seed=7, signed=signed)
    generator = torch.Generator().manual_seed(3)
    soft = torch.rand(N, 4, generator=generator, dtype=torch.float64)
    for neighbors, include_self in itertools.product(["union", "directed"], [False, True]):
        spec = GraphSpec(k=3, neighbors=neighbors, include_self=include_self, normalization=None)
        adjacency = latent_geometry_graph(x, spec)
        expected = signal_oracle.laplacian(adjacency.numpy(), normalization)
        assert_same(laplacian(adjacency, normalization), expected, str(spec))
        for signals in (soft, soft[:, 0], label_indicators(HARD_LABELS).to(torch.float64)):
            for power, by in itertools.product([1, 2, 3], [None, "class", "vertex"]):
                found = smoothness(adjacency, signals, power, normalization=normalization, by=by)
                wanted = signal_oracle.smoothness(
                    adjacency.numpy(), signals.numpy(), power, normalization=normalization, by=by
                )
                assert_same(found, np.asarray(wanted), f"{spec} {power} {by}")


def test_label_indicators():
    found = label_indicators(HARD_LABELS, 5)
    expected = signal_oracle.label_indicators(HARD_LABELS.numpy(), 5)
    np.testing.assert_array_equal(found.numpy(), expected)
    assert label_indicators(HARD_LABELS).shape == (N, 3)
    soft = torch.rand(N, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(label_indicators(soft), soft)
    several = soft > 0.5
    assert torch.equal(label_indicators(several).bool(), several)
