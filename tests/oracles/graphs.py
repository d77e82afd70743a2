"""Latent geometry graphs, entry by entry.

N examples, D features. A graph is a list of rows in a float64 array ``w[i, j]``; an edge set is a
boolean array ``e[i, j]``, true where i keeps the edge to j.
"""

from __future__ import annotations

import math

import numpy as np

# Two similarities closer than this are one: rounding must not decide who is a neighbour.
TIE = 1e-12
# A row whose norm after centring is below this share of its norm before is rounding, hence zero.
DEAD = 1e-13


def flatten(features):
    """(N, ...) to (N, D)."""
    rows = []
    for example in np.asarray(features, dtype=np.float64):
        rows.append([float(value) for value in np.ravel(example)])
    return rows


def inner(a, b):
    """<a, b>."""
    total = 0.0
    for left, right in zip(a, b, strict=True):
        total += left * right
    return total


def norm(a):
    """|a|."""
    return math.sqrt(inner(a, a))


def distance(a, b):
    """|a - b|, by differences."""
    return norm([left - right for left, right in zip(a, b, strict=True)])


def centred(rows):
    """Each row minus the mean row; what is left below the rounding of this is zero."""
    count, width = len(rows), len(rows[0])
    mean = [sum(row[d] for row in rows) / count for d in range(width)]
    out = []
    for row in rows:
        rest = [row[d] - mean[d] for d in range(width)]
        out.append(rest if norm(rest) > DEAD * norm(row) else [0.0] * width)
    return out


def cosine(a, b):
    """<a, b> / (|a| |b|), and 0 where either row is all zero."""
    if norm(a) == 0.0 or norm(b) == 0.0:
        return 0.0
    return inner(a, b) / (norm(a) * norm(b))


def pairwise_distances(rows):
    """d[i, j] = |x_i - x_j|."""
    count = len(rows)
    return np.array([[distance(rows[i], rows[j]) for j in range(count)] for i in range(count)])


def bandwidth_of(distances, bandwidth):
    """The bandwidth itself, or the mean or lower median of the distances over pairs i != j."""
    if not isinstance(bandwidth, str):
        return float(bandwidth)
    count = len(distances)
    values = sorted(distances[i][j] for i in range(count) for j in range(count) if i != j)
    if not values:
        return 0.0
    if bandwidth == "mean":
        return sum(values) / len(values)
    if bandwidth == "median":
        return values[(len(values) - 1) // 2]
    raise AssertionError(bandwidth)


def similarities(rows, similarity, bandwidth="median"):
    """w[i, j] for every pair, the diagonal included, and which vertices are alive."""
    count = len(rows)
    w = np.zeros((count, count))
    if similarity in ("cosine", "shifted_cosine"):
        alive = [norm(row) > 0.0 for row in rows]
        for i in range(count):
            for j in range(count):
                if alive[i] and alive[j]:
                    c = cosine(rows[i], rows[j])
                    w[i, j] = c if similarity == "cosine" else (1.0 + c) / 2.0
        return w, alive
    distances = pairwise_distances(rows)
    h = bandwidth_of(distances, bandwidth)
    for i in range(count):
        for j in range(count):
            d = distances[i, j]
            if h == 0.0:
                w[i, j] = 1.0 if d == 0.0 else 0.0
            elif similarity == "exponential":
                w[i, j] = math.exp(-d / h)
            elif similarity == "rbf":
                w[i, j] = math.exp(-(d**2) / (2.0 * h**2))
            else:
                raise AssertionError(similarity)
    return w, [True] * count


def nearest(closeness, alive, allowed, k, include_self):
    """e[i, j]: j is among the k nearest of i (self takes one place when it is included).

    ``closeness`` grows with nearness; every j as close as the k-th one (to rounding) is kept.
    """
    count = len(closeness)
    chosen = np.zeros((count, count), dtype=bool)
    for i in range(count):
        if not alive[i]:
            continue
        places = k
        if include_self and allowed[i][i]:
            chosen[i, i] = True
        if include_self:
            places = k - 1
        others = [j for j in range(count) if j != i and alive[j] and allowed[i][j]]
        if places == 0 or not others:
            continue
        ranked = sorted((closeness[i][j] for j in others), reverse=True)
        last = ranked[min(places, len(ranked)) - 1]
        for j in others:
            if closeness[i][j] >= last - TIE:
                chosen[i, j] = True
    return chosen


def closeness_of(rows, w, similarity):
    """What the neighbours are ranked by: the cosine, or minus the distance."""
    if similarity in ("cosine", "shifted_cosine"):
        return w
    return -pairwise_distances(rows)


def symmetrised_edges(chosen, neighbors):
    """union: either chose the other; mutual: both did; directed and mean: i chose j."""
    count = len(chosen)
    edges = np.zeros((count, count), dtype=bool)
    for i in range(count):
        for j in range(count):
            if neighbors == "union":
                edges[i, j] = chosen[i, j] or chosen[j, i]
            elif neighbors == "mutual":
                edges[i, j] = chosen[i, j] and chosen[j, i]
            else:
                edges[i, j] = chosen[i, j]
    return edges


def keep(w, edges, neighbors):
    """w on the edges, 0 elsewhere; "mean" then averages the two directions."""
    count = len(w)
    kept = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            if edges[i][j]:
                kept[i, j] = w[i, j]
    if neighbors != "mean":
        return kept
    out = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            out[i, j] = (kept[i, j] + kept[j, i]) / 2.0
    return out


def absolute_degrees(w):
    """d_i = sum_j |w_ij|."""
    return [sum(abs(value) for value in row) for row in w]


def normalized(w, normalization):
    """w_ij / sqrt(d_i d_j), w_ij / d_i, or w itself; an isolated vertex keeps its zeros."""
    if normalization is None:
        return np.array(w)
    count = len(w)
    d = absolute_degrees(w)
    out = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            if normalization == "symmetric" and d[i] > 0.0 and d[j] > 0.0:
                out[i, j] = w[i, j] / math.sqrt(d[i] * d[j])
            if normalization == "random_walk" and d[i] > 0.0:
                out[i, j] = w[i, j] / d[i]
    return out


def class_edges(labels, edges):
    """e[i, j]: any pair, pairs of the same class (self included), pairs of different classes."""
    count = len(labels)
    out = np.zeros((count, count), dtype=bool)
    for i in range(count):
        for j in range(count):
            same = labels[i] == labels[j]
            out[i, j] = {"all": True, "intra": same, "inter": not same}[edges]
    return out


def graph_and_edges(
    features,
    *,
    similarity="cosine",
    k=None,
    neighbors="union",
    normalization="symmetric",
    threshold="before_normalization",
    include_self=False,
    center=False,
    weights="similarity",
    bandwidth="median",
    mask=None,
    within=None,
):
    """The graph and the edges it keeps, in the order that ``threshold`` names."""
    rows = flatten(features)
    count = len(rows)
    if center:
        rows = centred(rows)
    w, alive = similarities(rows, similarity, bandwidth)
    everything = np.ones((count, count), dtype=bool)
    complete = np.zeros((count, count), dtype=bool)
    for i in range(count):
        for j in range(count):
            complete[i, j] = alive[i] and alive[j] and (i != j or include_self)
    if within is None:
        within = everything

    if threshold == "before_normalization":
        if mask is not None:
            edges = np.array(mask, dtype=bool) & complete
        elif k is not None:
            closeness = closeness_of(rows, w, similarity)
            edges = symmetrised_edges(
                nearest(closeness, alive, everything, k, include_self), neighbors
            )
        else:
            edges = complete
        kept = keep(np.ones_like(w) if weights == "binary" else w, edges, neighbors)
        graph = normalized(kept, normalization)
        for i in range(count):
            for j in range(count):
                if not within[i][j]:
                    graph[i, j] = 0.0
        # the choice of neighbours does not know the classes here, so neither does a reusable mask
        return graph, edges

    assert threshold == "after_normalization"
    weighted = normalized(keep(w, complete, "union"), normalization)
    if mask is not None:
        edges = np.array(mask, dtype=bool) & complete & within
    elif k is not None:
        if normalization is None:
            closeness = closeness_of(rows, w, similarity)
        else:
            closeness = weighted
        edges = symmetrised_edges(nearest(closeness, alive, within, k, include_self), neighbors)
    else:
        edges = complete & within
    return keep(np.ones_like(w) if weights == "binary" else weighted, edges, neighbors), edges


def latent_geometry_graph(features, **options):
    """A, (N, N)."""
    return graph_and_edges(features, **options)[0]


def graph_edges(features, **options):
    """The edges another graph can reuse as its ``mask``, (N, N) bool."""
    return graph_and_edges(features, **options)[1]
