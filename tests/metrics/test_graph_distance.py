from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchlgg.core import InputError
from torchlgg.metrics import graph_distance


def graph(seed, n=13, *, signed=False):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(n, n, generator=generator, dtype=torch.float64)
    if signed:
        weights = weights - 0.5
    weights = weights * (torch.rand(n, n, generator=generator) < 0.6)
    return weights + weights.T


def by_hand(a, b):
    """From the definition, entry by entry."""
    above = below = 0.0
    for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True):
        above += (x - y) ** 2
        below += x**2 + y**2
    return math.sqrt(above / below)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_definition(seed, signed):
    a, b = graph(seed, signed=signed), graph(seed + 100, signed=signed)
    assert graph_distance(a, b) == pytest.approx(by_hand(a, b), rel=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 9), log_scale=st.integers(-300, 300))
def test_it_is_symmetric_bounded_and_blind_to_order_and_scale(seed, n, log_scale):
    a, b = graph(seed, n), graph(seed + 1, n)
    distance = graph_distance(a, b)
    assert 0 <= distance <= 1 + 1e-12
    assert graph_distance(b, a) == distance
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    shuffled = graph_distance(a[order][:, order], b[order][:, order])
    assert shuffled == pytest.approx(distance, rel=1e-9)
    scale = 10.0**log_scale
    assert graph_distance(scale * a, scale * b) == pytest.approx(distance, rel=1e-9)


def test_its_ends():
    a = graph(0)
    upper, lower = a.triu(), a.tril(-1)
    empty = torch.zeros_like(a)
    assert graph_distance(a, a) == 0
    assert graph_distance(upper, lower) == pytest.approx(1, rel=1e-12)
    assert graph_distance(a, empty) == graph_distance(empty, a) == pytest.approx(1, rel=1e-12)
    assert graph_distance(a, -a) == pytest.approx(math.sqrt(2), rel=1e-12)
    assert graph_distance(empty, empty) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_it_is_and_computed_in_full(dtype):
    a, b = (1e3 * graph(1)).to(dtype), (1e3 * graph(2)).to(dtype)
    assert graph_distance(a, b) == pytest.approx(by_hand(a.double(), b.double()), rel=1e-12)


def test_edges_alone_are_a_graph_too_and_inputs_stay():
    a, b = graph(1), graph(2).requires_grad_()
    before = a.clone()
    by_edges = graph_distance(a > 0, b > 0)
    assert by_edges == pytest.approx(by_hand((a > 0).double(), (b > 0).double()), rel=1e-12)
    assert type(graph_distance(a, b)) is float
    torch.testing.assert_close(a, before, rtol=0, atol=0)


def test_bad_input_is_one_sentence():
    a = graph(0, 4)
    bad = a.clone()
    bad[2, 3] = float("nan")
    bad[3, 1] = float("inf")
    cases = [
        (a, graph(0, 5), "same examples: adjacency_a has 4 vertices, adjacency_b 5"),
        (a[:, :3], a, r"`adjacency_a` must be an adjacency \(N, N\), got shape \(4, 3\)"),
        (a, a[:0, :0], r"`adjacency_b` must be an adjacency \(N, N\), got shape \(0, 0\)"),
        (a, a.tolist(), "`adjacency_b` must be .* got list"),
        (a, bad, "`adjacency_b` must be finite; 2 of its 16 weights .* the first in row 2"),
    ]
    for x, y, sentence in cases:
        with pytest.raises(InputError, match="^graph_distance: .*" + sentence):
            graph_distance(x, y)
