"""Filters, diffusion and the Fourier basis against their definitions; gradients and precision."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.cases import HARD_LABELS, N
from tests.oracles import signals as oracle
from torchlgg.core import InputError
from torchlgg.graphs import GraphSpec, latent_geometry_graph
from torchlgg.signals import (
    feature_diffusion,
    graph_fourier_basis,
    heat_diffusion,
    label_indicators,
    laplacian,
    polynomial_filter,
    smoothness,
)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def graph(**options) -> torch.Tensor:
    """Three neighbours each, signed weights, and vertex 6 isolated: its features are zero."""
    x = drawn(N, 4)
    x[6] = 0
    return latent_geometry_graph(x, GraphSpec(**({"k": 3} | options)))


def close(found: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


SIGNALS = [drawn(N, 3, seed=1), drawn(N, seed=2), HARD_LABELS > 0]


# ------------------------------------------------------------------------------------ filters


@pytest.mark.parametrize("coefficients", [[2.0], [0.0, 1.0], [0.5, -1.0, 0.25, 2.0]])
@pytest.mark.parametrize("signals", SIGNALS, ids=["matrix", "vector", "boolean"])
@pytest.mark.parametrize("neighbors", ["union", "directed"])
def test_polynomial_filter(neighbors, signals, coefficients):
    operator = laplacian(graph(neighbors=neighbors))
    powered = signals.numpy().astype(float).reshape(N, -1)
    expected = np.zeros_like(powered)
    for coefficient in coefficients:
        expected += coefficient * powered
        powered = oracle.product(operator.numpy(), powered)
    found = polynomial_filter(operator, signals, coefficients)
    assert found.shape == signals.shape
    close(found, expected.reshape(signals.shape))


@pytest.mark.parametrize("time", [0.0, 1e-3, 0.3, 2.0, 30.0])
@pytest.mark.parametrize("signals", SIGNALS, ids=["matrix", "vector", "boolean"])
def test_heat_diffusion(signals, time):
    """exp(-tL) S, with the exponential as the 64th power of its Taylor series at t / 64."""
    adjacency = graph(similarity="shifted_cosine")
    step = -time / 64 * oracle.laplacian(adjacency.numpy(), "symmetric")
    exponential, term = np.eye(N), np.eye(N)
    for j in range(1, 30):
        term = oracle.product(term, step) / j
        exponential = exponential + term
    for _ in range(6):
        exponential = oracle.product(exponential, exponential)
    expected = oracle.product(exponential, signals.numpy().astype(float).reshape(N, -1))
    found = heat_diffusion(adjacency, signals, time=time)
    close(found, expected.reshape(signals.shape))
    torch.testing.assert_close(found[6], signals[6].to(found), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("time", [300.0, 5000.0])
def test_heat_ends_in_the_square_roots_of_the_degrees(time):
    adjacency = latent_geometry_graph(drawn(N, 4).abs())  # in one piece
    root = adjacency.sum(1).sqrt()
    end = root * (root @ SIGNALS[1]) / (root @ root)
    torch.testing.assert_close(heat_diffusion(adjacency, SIGNALS[1], time=time), end)


@pytest.mark.parametrize(("alpha", "kappa"), [(0.75, 1), (0.2, 0), (1.3, 3)])
def test_feature_diffusion(alpha, kappa):
    adjacency, x = graph(), SIGNALS[0]
    expected = x.numpy()
    for _ in range(kappa + 1):
        expected = alpha * expected + oracle.product(adjacency.numpy(), expected)
    close(feature_diffusion(adjacency, x, alpha=alpha, kappa=kappa), expected)
    if (alpha, kappa) == (0.75, 1):
        assert torch.equal(
            feature_diffusion(adjacency, x), feature_diffusion(adjacency, x, alpha=alpha, kappa=1)
        )


# ---------------------------------------------------------------------------------- the basis


@pytest.mark.parametrize("count", [None, 1, 3, N])
@pytest.mark.parametrize("normalization", [None, "symmetric"])
@pytest.mark.parametrize("similarity", ["cosine", "rbf"])
def test_fourier_basis(similarity, normalization, count):
    operator = laplacian(graph(similarity=similarity), normalization)
    basis = graph_fourier_basis(operator, count=count)
    frequencies, harmonics = basis.frequencies, basis.harmonics
    size = count or N
    assert frequencies.shape == (size,)
    assert harmonics.shape == (N, size)
    torch.testing.assert_close(operator @ harmonics, harmonics * frequencies)
    torch.testing.assert_close(harmonics.T @ harmonics, torch.eye(size, dtype=torch.float64))
    expected = np.linalg.eigvalsh(operator.numpy())[:size]
    np.testing.assert_allclose(frequencies.numpy(), expected, rtol=1e-9, atol=1e-12)
    peaks = harmonics.gather(0, harmonics.abs().argmax(0, keepdim=True))
    assert (peaks > 0).all()


def test_transform_and_inverse():
    operator = laplacian(graph())
    for signals in (SIGNALS[0], SIGNALS[1]):
        basis = graph_fourier_basis(operator)
        torch.testing.assert_close(basis.inverse(basis.transform(signals)), signals)
        # the variation of a signal is the sum of its spectrum, weighted by frequency
        spectrum = basis.transform(signals).reshape(N, -1).square().sum(1)
        for power in (1, 2, 3):
            variation = smoothness(graph(), signals, power)
            torch.testing.assert_close((spectrum * basis.frequencies**power).sum(), variation)
        part = graph_fourier_basis(operator, count=2)
        smooth = part.inverse(part.transform(signals))
        torch.testing.assert_close(part.inverse(part.transform(smooth)), smooth)
        with pytest.raises(InputError, match="one row per vertex"):
            basis.transform(signals[:3])
        with pytest.raises(InputError, match="one row per frequency"):
            part.inverse(signals)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(0, 9))
def test_frequency_zero_counts_the_pieces(sizes, seed):
    """Also in a partial basis: repeated eigenvalues are found as often as they occur."""
    blocks = [drawn(size, size, seed=seed + i).abs() + 0.1 for i, size in enumerate(sizes)]
    adjacency = torch.block_diag(*[(b + b.T).fill_diagonal_(0) for b in blocks])
    for count in {None, len(sizes)}:
        frequencies = graph_fourier_basis(laplacian(adjacency), count=count).frequencies
        assert (frequencies.abs() < 1e-9).sum() == len(sizes)


def test_the_basis_has_no_gradient():
    adjacency = graph().requires_grad_(True)
    for count in (None, 2):
        basis = graph_fourier_basis(laplacian(adjacency), count=count)
        assert not basis.harmonics.requires_grad
        assert not basis.frequencies.requires_grad


def test_bases_that_do_not_exist():
    with pytest.raises(InputError, match=r"`laplacian` must be symmetric.*random-walk"):
        graph_fourier_basis(laplacian(graph(), "random_walk"))
    for count in (0, N + 1):
        with pytest.raises(InputError, match=rf"`count` must lie in \[1, 7\], got {count}"):
            graph_fourier_basis(laplacian(graph()), count=count)


# --------------------------------------------------------------------- gradients and precision


def functions_of_a_graph():
    s = SIGNALS[0]
    for normalization in (None, "symmetric", "random_walk"):
        yield f"laplacian-{normalization}", lambda a, n=normalization: laplacian(a, n)
        for power, by in itertools.product((1, 3), (None, "class", "vertex")):
            yield (
                f"smoothness-{normalization}-{power}-{by}",
                lambda a, n=normalization, p=power, by=by: smoothness(
                    a, s.to(a.dtype), p, normalization=n, by=by
                ),
            )
    yield "polynomial_filter", lambda a: polynomial_filter(a, s.to(a.dtype), [1.0, -0.5, 0.3])
    yield "heat_diffusion", lambda a: heat_diffusion(a, s.to(a.dtype), time=0.7)
    yield "feature_diffusion", lambda a: feature_diffusion(a, s.to(a.dtype))


functions = pytest.mark.parametrize(
    "function", [pytest.param(f, id=name) for name, f in functions_of_a_graph()]
)


@functions
def test_gradient_in_the_graph(function):
    # positive weights, self included, since |w| has a corner at 0; and so has a degree
    adjacency = graph(similarity="shifted_cosine", k=None, include_self=True).requires_grad_(True)
    mask = torch.ones(N, N, dtype=torch.float64)
    mask[6], mask[:, 6] = 0, 0
    assert torch.autograd.gradcheck(lambda a: function(a * mask), adjacency)
    (gradient,) = torch.autograd.grad(function(adjacency).sum(), adjacency)
    assert gradient.isfinite().all()


@functions
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_and_autocast_compute_in_float32(function, dtype):
    adjacency = graph().to(dtype)
    expected = function(adjacency.float())
    found = function(adjacency)
    assert found.dtype == torch.float32
    # signals are rounded to half as well
    torch.testing.assert_close(found, expected, rtol=3e-2, atol=3e-2)
    with torch.autocast("cpu", dtype=dtype):
        inside = function(graph().float())
    torch.testing.assert_close(inside, function(graph().float()), rtol=1e-6, atol=1e-7)


@functions
def test_leaves_the_graph_alone(function):
    adjacency = graph()
    before = adjacency.clone()
    function(adjacency)
    assert torch.equal(adjacency, before)


# -------------------------------------------------------------------------------- bad input


def test_filters_refuse_what_does_not_fit():
    a, s = graph(), SIGNALS[0]
    with pytest.raises(InputError, match="`coefficients` must hold at least one number"):
        polynomial_filter(a, s, [])
    for time in (-0.1, math.inf, math.nan):
        with pytest.raises(InputError, match=f"`time` must be .*got {time}"):
            heat_diffusion(a, s, time=time)
    for kappa in (-1, 0.5):
        with pytest.raises(InputError, match=f"`kappa` must be .*got {kappa}"):
            feature_diffusion(a, s, kappa=kappa)
    for call in (
        lambda: polynomial_filter(a, s[:3], [1.0]),
        lambda: heat_diffusion(a, s[:3], time=1.0),
        lambda: feature_diffusion(a, s[:3]),
    ):
        with pytest.raises(InputError, match=r"one row per vertex.*\(3, 3\)"):
            call()
    for call in (
        lambda: polynomial_filter(a[:3], s, [1.0]),
        lambda: heat_diffusion(a[:3], s, time=1.0),
        lambda: feature_diffusion(a[:3], s),
        lambda: graph_fourier_basis(a[:3]),
    ):
        with pytest.raises(InputError, match=r"must be a square.*\(3, 7\)"):
            call()


def test_multi_label_indicators():
    several = drawn(N, 3) > 0
    assert torch.equal(label_indicators(several), several.float())
    with pytest.raises(InputError, match="`num_classes`"):
        label_indicators(several, 4)
