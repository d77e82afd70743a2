"""What is made a tile of pairs at a time is what is made at once, in memory that is a bound."""

from __future__ import annotations

import pytest
import torch

from tests.contract.cases import GRAPH_OPTIONS, covering
from tests.losses.peak import PeakMemory
from torchlgg.core import InputError, each_tile, row_tiles
from torchlgg.graphs import (
    GraphRows,
    GraphSpec,
    Within,
    class_edges,
    graph_edges,
    latent_geometry_graph,
    pairwise_distances,
)
from torchlgg.graphs._bandwidth import bandwidth_by_tiles
from torchlgg.graphs._similarity import bandwidth_of
from torchlgg.losses import (
    GraphDistillationLoss,
    GraphSmoothnessLoss,
    RelationalDistanceLoss,
    graph_distillation_loss,
    graph_smoothness_loss,
    relational_distance_loss,
)

LABELS = torch.tensor([0, 1, 2, 0, 1, 1, 0, 2, 2])
KINDS = ["signed", "non-negative", "ties", "collapsed", "all dead", "offset"]


def batch(kind, width=5, *, count=9, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, width, generator=generator, dtype=torch.float64)
    if kind == "non-negative":
        x = x.abs() + 0.05
    elif kind == "ties":
        x[2] = x[0]
        x[5:7] = 0
        x[7] = 3 * x[1]
    elif kind == "collapsed":
        x = x[:1].expand(count, -1).clone()
    elif kind == "all dead":
        x = torch.zeros_like(x)
    elif kind == "offset":
        x = x + 1e3
    return x.to(dtype)


# ------------------------------------------------------------------------------- rows of a graph


@pytest.mark.parametrize("step", [100, 4, 1])
@pytest.mark.parametrize("kind", ["signed", "non-negative", "ties"])
@pytest.mark.parametrize("edges", ["all", "intra", "inter"])
def test_rows_are_those_of_the_graph(edges, kind, step):
    """For every combination of three options of a spec; with its own edges and with a mask."""
    tiles = row_tiles(9, 1, step)
    weights = torch.randn(9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    within, within_NN = None, None
    if edges != "all":
        within, within_NN = Within(LABELS, edges), class_edges(LABELS, edges)
    for options in covering(GRAPH_OPTIONS, strength=2 if step == 1 else 3):
        spec = GraphSpec(**options)
        other = batch("signed", seed=7)
        rows_of_other = GraphRows(other, spec, tiles, within=within)
        mask_NN = graph_edges(other, spec, within=within_NN)
        assert torch.equal(torch.cat([rows_of_other.edges(rows) for rows in tiles]), mask_NN)
        for mask_of, mask in ((None, None), (rows_of_other, mask_NN)):
            leaves = [batch(kind).requires_grad_() for _ in range(2)]
            expected = latent_geometry_graph(leaves[0], spec, mask=mask, within=within_NN)
            graph = GraphRows(leaves[1], spec, tiles, within=within, mask_of=mask_of)
            found = torch.cat(each_tile(graph.adjacency, tiles))
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
            if kind == "ties" and spec.bandwidth == "median":
                continue  # several pairs are the median, and either may have its gradient
            slope, gradient = (
                torch.autograd.grad((a_NN * weights).sum(), leaf)[0]
                for a_NN, leaf in ((expected, leaves[0]), (found, leaves[1]))
            )
            torch.testing.assert_close(gradient, slope, rtol=1e-7, atol=1e-10)


def test_rows_of_a_graph_need_more_than_k_examples():
    with pytest.raises(InputError, match="`k` must be less than the number of examples; k=9 for 9"):
        GraphRows(batch("signed"), GraphSpec(k=9), [slice(0, 9)])


# ------------------------------------------------------------------------------------- bandwidth


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bandwidth", ["median", "mean", 1.7])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 50])
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12, 0.0])
def test_the_bandwidth_is_that_of_all_distances(dtype, bandwidth, count, scale):
    x = (scale * torch.randn(count, 3, generator=torch.Generator().manual_seed(count))).to(dtype)
    for step in (1, 4, 100):
        leaves = [x.clone().requires_grad_() for _ in range(2)]
        expected = bandwidth_of(pairwise_distances(leaves[0]), bandwidth)
        found = bandwidth_by_tiles(leaves[1], bandwidth, row_tiles(count, 1, step))
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
        assert found.requires_grad == expected.requires_grad
        if found.requires_grad:
            slope, gradient = (
                torch.autograd.grad(h, leaf)[0]
                for h, leaf in ((expected, leaves[0]), (found, leaves[1]))
            )
            torch.testing.assert_close(gradient, slope, rtol=1e-4, atol=1e-6)


# ---------------------------------------------------------------------------------------- losses

SPECS = {
    "rbf": GraphSpec(similarity="rbf"),
    "exponential": GraphSpec(similarity="exponential", bandwidth="mean"),
    "k = 3": GraphSpec(k=3),
    "graph_kd, k = 3": GraphSpec.graph_kd(3),
    "random walk": GraphSpec(normalization="random_walk", center=True),
}
SOFT = torch.rand(9, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def forms(kind, dtype):
    teacher = batch(kind, 4, seed=1, dtype=dtype)
    found = {
        "relational distances": lambda x, **bound: relational_distance_loss(x, teacher, **bound),
        "smoothness": lambda x, **bound: graph_smoothness_loss(x, LABELS, **bound),
        "smoothness, k": lambda x, **bound: graph_smoothness_loss(x, LABELS, k=3, **bound),
        "smoothness, soft": lambda x, **bound: graph_smoothness_loss(
            x, SOFT, reduction="sum", **bound
        ),
    }
    for name, spec in SPECS.items():
        for edges in ("all", "inter"):
            options = {"spec": spec, "edges": edges, "labels": LABELS}
            found[f"{name}, {edges}"] = lambda x, options=options, **bound: graph_distillation_loss(
                x, teacher, **options, **bound
            )
    found["teacher's mask"] = lambda x, **bound: graph_distillation_loss(
        x, teacher, spec=SPECS["k = 3"], mask_from="teacher", **bound
    )
    return found


@pytest.mark.parametrize("max_memory", [1, 8000])  # a row, or some
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", forms("signed", torch.float64))
def test_tiles_equal_the_whole(name, kind, max_memory):
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        if dtype == torch.float32 and kind == "offset" and ("k" in name or "mask" in name):
            continue  # cosines that differ by rounding only: so do their neighbours
        function = forms(kind, dtype)[name]
        leaf, again = (batch(kind, dtype=dtype).requires_grad_() for _ in range(2))
        expected, value = function(leaf), function(again, max_memory=max_memory)
        assert value.dtype == dtype
        torch.testing.assert_close(value, expected, rtol=tolerance, atol=tolerance * 1e-4)
        if kind == "ties" and name.startswith("rbf"):
            continue  # several pairs are the median, and either may have its gradient
        expected.backward()
        value.backward()
        atol = tolerance * float(leaf.grad.abs().max()) + 1e-3 * tolerance
        torch.testing.assert_close(again.grad, leaf.grad, rtol=tolerance, atol=atol)


def large_forms(count):
    teacher = torch.rand(count, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(count) % 5
    found = {
        "relational distances": lambda x, **b: relational_distance_loss(x, teacher, **b),
        "smoothness": lambda x, **b: graph_smoothness_loss(x, labels, **b),
        "smoothness, k": lambda x, **b: graph_smoothness_loss(x, labels, k=5, **b),
    }
    for name, spec in SPECS.items():
        found[name] = lambda x, spec=spec, **b: graph_distillation_loss(x, teacher, spec=spec, **b)
    return found


@pytest.mark.parametrize("name", large_forms(1))
def test_memory_is_the_bound(name):
    """A bound of 2.5 of the matrices of pairs, of which the loss makes at least five."""
    count = 400
    bound = 10 * count**2
    student = torch.rand(count, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with PeakMemory() as memory:
        large_forms(count)[name](student, max_memory=bound).backward()
    assert memory.peak <= bound + 20 * 4 * student.numel()
    with PeakMemory() as memory:
        large_forms(count)[name](student).backward()
    assert memory.peak > 20 * count**2


@pytest.mark.parametrize(
    "module", [GraphDistillationLoss, GraphSmoothnessLoss, RelationalDistanceLoss]
)
@pytest.mark.parametrize("bad", [0, 2.5, True])
def test_a_bound_that_is_none(module, bad):
    with pytest.raises(
        InputError, match=rf"{module.__name__}: `max_memory` must be a whole number"
    ):
        module(max_memory=bad)


def test_half_precision_and_autocast_by_tiles():
    student, teacher = (
        torch.rand(40, 6, generator=torch.Generator().manual_seed(s)) for s in (0, 1)
    )
    for spec in SPECS.values():
        found = []
        for max_memory in (2**28, 20_000):
            leaf = student.bfloat16().requires_grad_()
            with torch.autocast("cpu", torch.bfloat16):
                value = graph_distillation_loss(
                    leaf, teacher.bfloat16(), spec=spec, max_memory=max_memory
                )
            value.backward()
            found.append((value.detach(), leaf.grad.float()))
        assert found[0][0].dtype == torch.float32
        torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-5, atol=1e-7)
        size = float(found[0][1].abs().max())
        torch.testing.assert_close(found[1][1], found[0][1], rtol=0, atol=2e-2 * size)
