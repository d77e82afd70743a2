"""What must hold for every graph, asked of drawn batches: generic ones, and grids full of ties.

A grid has small whole numbers for features: duplicates, zero rows and equal similarities abound.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from tests.contract.cases import GRAPH_OPTIONS
from torchlgg.graphs import GraphSpec, class_edges, graph_edges, latent_geometry_graph
from torchlgg.losses import (
    graph_distillation_loss,
    graph_smoothness_loss,
    relational_angle_loss,
    relational_distance_loss,
    smoothness_variation_loss,
)
from torchlgg.signals import label_indicators, laplacian, smoothness

CLOSE = {"rtol": 1e-8, "atol": 1e-10}


@st.composite
def generic(draw, min_n: int = 2, max_n: int = 8, signed: bool | None = None) -> Tensor:
    """Gaussian or non-negative features; some rows may be copies of others, some all zero."""
    n, d = draw(st.integers(min_n, max_n)), draw(st.integers(2, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    if signed is False or (signed is None and draw(st.booleans())):
        x = x.abs() + 0.05
    for source, target in draw(st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), max_size=2)):
        x[target] = x[source]
    for row in draw(st.lists(st.integers(0, n - 1), max_size=1)):
        x[row] = 0
    return x


@st.composite
def grid(draw, min_n: int = 2, max_n: int = 8) -> Tensor:
    n, d = draw(st.integers(min_n, max_n)), draw(st.integers(1, 3))
    low = draw(st.sampled_from([-2, 0]))
    values = draw(st.lists(st.integers(low, 2), min_size=n * d, max_size=n * d))
    return torch.tensor(values, dtype=torch.float64).reshape(n, d)


batches = st.one_of(generic(), grid())


@st.composite
def specs(draw, n: int, **fixed) -> GraphSpec:
    """Any spec that a batch of n examples can have."""
    options = {
        name: draw(st.sampled_from(values))
        for name, values in GRAPH_OPTIONS.items()
        if name not in fixed
    }
    options |= fixed
    if options["k"] is not None:
        options["k"] = draw(st.integers(1, n - 1))
    return GraphSpec(**options)


@st.composite
def batch_and_spec(draw, features=batches, **fixed) -> tuple[Tensor, GraphSpec]:
    x = draw(features)
    return x, draw(specs(len(x), **fixed))


@st.composite
def labels_for(draw, n: int) -> Tensor:
    return torch.tensor(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))


def rotation(d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q


# ------------------------------------------------------------------------------- invariances


@given(batch_and_spec(), st.data())
def test_the_graph_follows_the_order_of_the_examples(pair, data):
    x, spec = pair
    order = torch.tensor(data.draw(st.permutations(range(len(x)))))
    labels = data.draw(labels_for(len(x)))
    edges = data.draw(st.sampled_from(["all", "intra", "inter"]))

    graph = latent_geometry_graph(x, spec, within=class_edges(labels, edges))
    permuted = latent_geometry_graph(x[order], spec, within=class_edges(labels[order], edges))
    torch.testing.assert_close(permuted, graph[order][:, order], **CLOSE)
    assert torch.equal(graph_edges(x[order], spec), graph_edges(x, spec)[order][:, order])


@given(batch_and_spec(generic()), st.integers(0, 99))
def test_the_graph_does_not_see_a_rotation(pair, seed):
    x, spec = pair
    turned = latent_geometry_graph(x @ rotation(x.shape[1], seed), spec)
    torch.testing.assert_close(turned, latent_geometry_graph(x, spec), **CLOSE)


@given(batch_and_spec(), st.floats(1e-3, 1e3))
def test_the_graph_does_not_see_a_scale(pair, factor):
    """Cosines, and distances in units of this batch's own bandwidth."""
    x, spec = pair
    assume(spec.similarity in ("cosine", "shifted_cosine") or isinstance(spec.bandwidth, str))
    scaled = latent_geometry_graph(factor * x, spec)
    torch.testing.assert_close(scaled, latent_geometry_graph(x, spec), **CLOSE)


@given(batch_and_spec(), st.data())
def test_own_edges_as_mask_change_nothing(pair, data):
    x, spec = pair
    edges = data.draw(st.sampled_from(["all", "intra", "inter"]))
    within = class_edges(data.draw(labels_for(len(x))), edges)
    mask = graph_edges(x, spec, within=within)
    reused = latent_geometry_graph(x, spec, mask=mask, within=within)
    assert torch.equal(reused, latent_geometry_graph(x, spec, within=within))


# --------------------------------------------------------------------------------- structure


@given(batch_and_spec())
def test_graphs_are_symmetric_where_they_say_so(pair):
    x, spec = pair
    assume(spec.neighbors != "directed" and spec.normalization != "random_walk")
    graph = latent_geometry_graph(x, spec)
    torch.testing.assert_close(graph, graph.T, rtol=1e-12, atol=1e-14)
    if spec.neighbors != "mean":  # its edges are who chose whom
        edges = graph_edges(x, spec)
        assert torch.equal(edges, edges.T)


@given(batch_and_spec(include_self=False))
def test_nobody_is_their_own_neighbour(pair):
    x, spec = pair
    assert not latent_geometry_graph(x, spec).diagonal().any()
    assert not graph_edges(x, spec).diagonal().any()


@given(batch_and_spec(include_self=True, normalization=None))
def test_self_has_the_similarity_of_self(pair):
    """One for the living, zero for the dead, who only cosines know."""
    x, spec = pair
    assume(not spec.center)
    alive = torch.ones(len(x), dtype=torch.float64)
    if spec.similarity in ("cosine", "shifted_cosine"):
        alive = (x != 0).any(1).double()
    torch.testing.assert_close(latent_geometry_graph(x, spec).diagonal(), alive, **CLOSE)


@pytest.mark.parametrize("similarity", GRAPH_OPTIONS["similarity"])
@given(x=generic(signed=False, max_n=5), copies=st.integers(2, 4))
def test_copies_are_neighbours_of_each_other_never_of_themselves(similarity, x, copies):
    assume(len(torch.unique(x, dim=0)) == len(x) and (x != 0).any(1).all())
    many = x.repeat(copies, 1)
    source = torch.arange(len(x)).repeat(copies)
    edges = graph_edges(many, GraphSpec(similarity=similarity, k=copies - 1, neighbors="directed"))
    copies_of_each_other = (source[:, None] == source[None, :]) & ~torch.eye(len(many)).bool()
    assert torch.equal(edges, copies_of_each_other)


@given(batch_and_spec(neighbors="directed", include_self=False))
def test_everyone_alive_has_k_neighbours_at_least(pair):
    x, spec = pair
    assume(spec.k is not None and not spec.center)
    alive = torch.ones(len(x), dtype=torch.bool)
    if spec.similarity in ("cosine", "shifted_cosine"):
        alive = (x != 0).any(1)
    chosen = graph_edges(x, spec).sum(1)
    assert (chosen[alive] >= min(spec.k, int(alive.sum()) - 1)).all()
    assert not chosen[~alive].any()


@given(batch_and_spec(generic(min_n=3), neighbors="directed"))
def test_mutual_is_in_directed_is_in_union(pair):
    x, spec = pair
    found = {}
    for neighbors in ("mutual", "directed", "union"):
        options = {name: getattr(spec, name) for name in GRAPH_OPTIONS} | {"neighbors": neighbors}
        found[neighbors] = graph_edges(x, GraphSpec(**options))
    assert not (found["mutual"] & ~found["directed"]).any()
    assert not (found["directed"] & ~found["union"]).any()
    assert torch.equal(found["union"], found["directed"] | found["directed"].T)
    assert torch.equal(found["mutual"], found["directed"] & found["directed"].T)


@given(batch_and_spec(k=None, include_self=False))
def test_all_the_others_as_neighbours_is_the_complete_graph(pair):
    x, spec = pair
    options = {name: getattr(spec, name) for name in GRAPH_OPTIONS} | {"k": len(x) - 1}
    torch.testing.assert_close(
        latent_geometry_graph(x, GraphSpec(**options)), latent_geometry_graph(x, spec), **CLOSE
    )


@given(batch_and_spec(threshold="before_normalization"))
def test_normalised_graphs_are_bounded_also_for_signed_features(pair):
    x, spec = pair
    assume(spec.normalization is not None)
    graph = latent_geometry_graph(x, spec)
    if spec.normalization == "random_walk":
        sums = graph.abs().sum(1)
        assert ((sums - 1).abs().lt(1e-9) | sums.eq(0)).all()
    elif spec.neighbors != "directed":
        assert torch.linalg.eigvalsh(graph).abs().max() <= 1 + 1e-9


@given(batch_and_spec(weights="binary", normalization=None))
def test_binary_edges_weigh_one(pair):
    x, spec = pair
    expected = graph_edges(x, spec).double()
    if spec.neighbors == "mean":
        expected = (expected + expected.T) / 2
    assert torch.equal(latent_geometry_graph(x, spec), expected)


@given(batch_and_spec(neighbors="directed"))
def test_edges_are_where_the_weights_are(pair):
    x, spec = pair
    graph = latent_geometry_graph(x, spec)
    assert not graph[~graph_edges(x, spec)].any()


# ----------------------------------------------------------------------------------- signals


@given(batch_and_spec(generic(), normalization=None), st.data())
def test_rows_of_the_laplacian_sum_to_zero(pair, data):
    x, spec = pair
    graph = latent_geometry_graph(x, spec)
    zero = torch.zeros(len(x), dtype=torch.float64)
    torch.testing.assert_close(laplacian(graph).sum(1), zero, rtol=0, atol=1e-12)
    constant = torch.full((len(x),), data.draw(st.floats(-5, 5)), dtype=torch.float64)
    for power in (1, 2):
        assert abs(smoothness(graph, constant, power)) < 1e-9


@given(
    batch_and_spec(generic(signed=False), neighbors="union", center=False),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([None, "symmetric"]),
    st.data(),
)
def test_variation_on_non_negative_weights_is_not_negative(pair, power, normalization, data):
    x, spec = pair
    assume(spec.normalization != "random_walk")
    graph = latent_geometry_graph(x, spec)
    assert (graph >= 0).all()
    signals = data.draw(generic(min_n=len(x), max_n=len(x)))
    by_class = smoothness(graph, signals, power, normalization=normalization, by="class")
    assert (by_class >= -1e-9 * (1 + by_class.abs().max())).all()


@given(batch_and_spec(), st.sampled_from([1, 2, 3]), st.data())
def test_the_parts_of_the_variation_sum_to_it(pair, power, data):
    x, spec = pair
    normalization = data.draw(st.sampled_from([None, "symmetric", "random_walk"]))
    graph = latent_geometry_graph(x, spec)
    signals = data.draw(generic(min_n=len(x), max_n=len(x)))
    total = smoothness(graph, signals, power, normalization=normalization)
    for by in ("class", "vertex"):
        parts = smoothness(graph, signals, power, normalization=normalization, by=by)
        assert parts.shape == ((signals.shape[1],) if by == "class" else (len(x),))
        atol = 1e-12 * float(1 + parts.abs().sum())
        torch.testing.assert_close(parts.sum(), total, rtol=1e-9, atol=atol)


@given(batch_and_spec(generic()), st.data())
def test_label_variation_is_the_weight_between_classes(pair, data):
    x, spec = pair
    labels = data.draw(labels_for(len(x)))
    graph = latent_geometry_graph(x, spec)
    assume(spec.neighbors != "directed" and spec.normalization != "random_walk")
    between = (graph * (labels[:, None] != labels[None, :])).sum()
    found = smoothness(graph, label_indicators(labels).double())
    torch.testing.assert_close(found, between, rtol=1e-9, atol=1e-11)


# ------------------------------------------------------------------------------------ losses


@given(batch_and_spec(generic(min_n=3)), st.data())
def test_distillation_of_a_turned_and_scaled_teacher_is_zero(pair, data):
    x, spec = pair
    assume(spec.similarity in ("cosine", "shifted_cosine") or isinstance(spec.bandwidth, str))
    teacher = 2.5 * x @ rotation(x.shape[1], data.draw(st.integers(0, 99)))
    power = data.draw(st.sampled_from([1, 2, 3]))
    loss = graph_distillation_loss(x, teacher, spec=spec, power=power)
    assert 0 <= loss < 1e-14


@given(generic(min_n=3), st.integers(0, 99))
def test_relations_of_a_turned_scaled_and_shifted_teacher_are_its_own(x, seed):
    teacher = 0.3 * x @ rotation(x.shape[1], seed) + 1.5
    assert 0 <= relational_distance_loss(x, teacher) < 1e-14
    # angles at copies rest on differences that rounding alone makes
    assume(len(torch.unique(x, dim=0)) == len(x))
    assert 0 <= relational_angle_loss(x, teacher) < 1e-14


@given(batch_and_spec(grid(min_n=3)), st.data())
def test_losses_do_not_depend_on_order_among_ties(pair, data):
    x, spec = pair
    order = torch.tensor(data.draw(st.permutations(range(len(x)))))
    other = data.draw(grid(min_n=len(x), max_n=len(x)))
    labels = data.draw(labels_for(len(x)))
    for value, permuted in [
        (
            graph_distillation_loss(x, other, spec=spec),
            graph_distillation_loss(x[order], other[order], spec=spec),
        ),
        (
            smoothness_variation_loss([x, other], labels, spec=spec),
            smoothness_variation_loss([x[order], other[order]], labels[order], spec=spec),
        ),
        (
            graph_smoothness_loss(x, labels, k=1),
            graph_smoothness_loss(x[order], labels[order], k=1),
        ),
    ]:
        torch.testing.assert_close(permuted, value, **CLOSE)


@given(st.one_of(generic(), grid()), st.floats(0.01, 10), st.data())
def test_graph_smoothness_loss_stays_between_zero_and_one(x, alpha, data):
    labels = data.draw(labels_for(len(x)))
    loss = graph_smoothness_loss(x, labels, alpha=alpha)
    assert 0 <= loss <= 1 + 1e-12
    assert graph_smoothness_loss(x, labels, alpha=alpha * 2) <= loss + 1e-12
