"""From the representations of a batch to its latent geometry graph.

Lassance, Gripon, Ortega, Algorithms 14(2):39 (2021). Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torchlgg.core import InputError, exact_arithmetic, feature_matrix
from torchlgg.graphs._neighbors import check_enough_examples, choose_neighbors
from torchlgg.graphs._normalize import normalize
from torchlgg.graphs._similarity import similarities
from torchlgg.graphs._spec import GraphSpec


def latent_geometry_graph(
    features: Tensor,
    spec: GraphSpec = GraphSpec(),  # noqa: B008  (frozen)
    *,
    mask: Tensor | None = None,
    within: Tensor | None = None,
) -> Tensor:
    """The adjacency matrix of the similarity graph of a batch at one layer.

    Similarity of all pairs, then the k nearest neighbours of each vertex, then symmetry, then
    division by the degrees; ``spec`` names every choice. Gradients flow through the similarities
    and the degrees; which edges exist is a constant.

    The graph is computed in float32 (float64 for float64 features) with autocast off and full
    float32 products, whatever surrounds the call.

    Args:
        features: (N, ...), floating; each example is flattened to D numbers.
        spec: how the graph is made.
        mask: boolean (N, N), the edges of another graph (:func:`graph_edges`), to be used instead
            of choosing the k nearest.
        within: boolean (N, N), the only pairs that may carry weight, such as the pairs of one
            class (:func:`class_edges`). It is applied after the normalisation, and with
            ``threshold="after_normalization"`` the neighbours are chosen within it.

    Returns:
        (N, N), float32 or float64. Symmetric, except for ``neighbors="directed"`` and
        ``normalization="random_walk"``. A vertex without edges (a zero row under a cosine; N = 1)
        has a zero row and column and receives zero gradient.

    Raises:
        InputError: features that are not floating or hold NaN or infinity, ``k`` ≥ N, or a mask
            that is not a boolean (N, N).

    Example:
        >>> import torch
        >>> from torchlgg.graphs import GraphSpec, latent_geometry_graph
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 2.0]])
        >>> latent_geometry_graph(x, GraphSpec(k=1, normalization=None))
        tensor([[0.0000, 0.7071, 0.0000, 0.0000],
                [0.7071, 0.0000, 0.7071, 0.7071],
                [0.0000, 0.7071, 0.0000, 1.0000],
                [0.0000, 0.7071, 1.0000, 0.0000]])
    """
    x_ND = _examine(features, spec, where="latent_geometry_graph", mask=mask, within=within)
    return _graph(x_ND, spec, mask, within).adjacency


class GraphAndEdges(NamedTuple):
    """A latent geometry graph, and which pairs it joins.

    Args:
        adjacency: (N, N), as :func:`latent_geometry_graph` returns it.
        edges: boolean (N, N), as :func:`graph_edges` returns it.
    """

    adjacency: Tensor
    edges: Tensor


def graph_and_edges(
    features: Tensor,
    spec: GraphSpec = GraphSpec(),  # noqa: B008  (frozen)
    *,
    within: Tensor | None = None,
) -> GraphAndEdges:
    """:func:`latent_geometry_graph` and :func:`graph_edges`, the similarities computed once.

    Args:
        features: (N, ...), floating.
        spec: how the graph is made.
        within: boolean (N, N), as in :func:`latent_geometry_graph`.

    Returns:
        Both, by name.

    Raises:
        InputError: as :func:`latent_geometry_graph`.

    Example:
        >>> import torch
        >>> from torchlgg.graphs import GraphSpec, graph_and_edges
        >>> graph_and_edges(torch.ones(2, 1), GraphSpec(k=1)).edges.int()
        tensor([[0, 1],
                [1, 0]], dtype=torch.int32)
    """
    x_ND = _examine(features, spec, where="graph_and_edges", within=within)
    return _graph(x_ND, spec, None, within)


def graph_edges(
    features: Tensor,
    spec: GraphSpec = GraphSpec(),  # noqa: B008  (frozen)
    *,
    within: Tensor | None = None,
) -> Tensor:
    """Which pairs the graph of a batch joins: the ``mask`` that another graph can reuse.

    Args:
        features: (N, ...), floating.
        spec: how the graph is made.
        within: boolean (N, N), as in :func:`latent_geometry_graph`.

    Returns:
        Boolean (N, N) without gradient. For ``neighbors="directed"`` and ``"mean"`` row i holds
        the choices of vertex i; otherwise it is symmetric.

    Raises:
        InputError: as :func:`latent_geometry_graph`.

    Example:
        >>> import torch
        >>> from torchlgg.graphs import GraphSpec, graph_edges
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 2.0]])
        >>> graph_edges(x, GraphSpec(k=1, neighbors="mutual")).int()
        tensor([[0, 1, 0, 0],
                [1, 0, 0, 0],
                [0, 0, 0, 1],
                [0, 0, 1, 0]], dtype=torch.int32)
    """
    x_ND = _examine(features, spec, where="graph_edges", within=within)
    with torch.no_grad(), exact_arithmetic(x_ND):
        return _draft(x_ND, spec, None, within).edges_NN


def _graph(
    x_ND: Tensor, spec: GraphSpec, mask: Tensor | None, within: Tensor | None
) -> GraphAndEdges:
    with exact_arithmetic(x_ND):
        draft = _draft(x_ND, spec, mask, within)
        if spec.weights == "binary":  # the 0 keeps the graph in autograd's: its gradient is zero
            adjacency_NN = 0.0 * draft.weights_NN + draft.edges_NN
        else:
            adjacency_NN = draft.weights_NN * draft.edges_NN
        if spec.neighbors == "mean":
            adjacency_NN = (adjacency_NN + adjacency_NN.T) / 2
        if spec.threshold == "before_normalization":
            adjacency_NN = normalize(adjacency_NN, spec.normalization, floor=draft.degree_floor)
        adjacency_NN = adjacency_NN if within is None else adjacency_NN * within
        return GraphAndEdges(adjacency_NN, draft.edges_NN)


class _Draft(NamedTuple):
    """A graph before its edges are cut and, in the paper's order, its degrees divided out."""

    weights_NN: Tensor
    edges_NN: Tensor
    degree_floor: float


def _draft(
    x_ND: Tensor, spec: GraphSpec, mask_NN: Tensor | None, within_NN: Tensor | None
) -> _Draft:
    found = similarities(x_ND, spec)
    candidates_NN = found.live_N[:, None] & found.live_N[None, :]
    if not spec.include_self:
        candidates_NN = candidates_NN & ~torch.eye(
            x_ND.shape[0], dtype=torch.bool, device=x_ND.device
        )
    weights_NN, closeness_NN = found.weights_NN, found.closeness_NN
    if spec.threshold == "after_normalization":
        weights_NN = normalize(
            weights_NN * candidates_NN, spec.normalization, floor=found.degree_floor
        )
        closeness_NN = weights_NN.detach()
        candidates_NN = candidates_NN if within_NN is None else candidates_NN & within_NN
    if mask_NN is None:
        edges_NN = choose_neighbors(closeness_NN, candidates_NN, spec)
    else:
        edges_NN = candidates_NN & mask_NN
    return _Draft(weights_NN, edges_NN, found.degree_floor)


def _examine(features: Tensor, spec: GraphSpec, *, where: str, **pairs_NN: Tensor | None) -> Tensor:
    if not isinstance(spec, GraphSpec):
        raise InputError(f"{where}: `spec` must be a GraphSpec, got {type(spec).__name__}")
    x_ND = feature_matrix(features, name="features", where=where)
    count = x_ND.shape[0]
    check_enough_examples(spec, count, where=where)
    for name, mask_NN in pairs_NN.items():
        if mask_NN is None:
            continue
        if not isinstance(mask_NN, Tensor):
            raise InputError(f"{where}: `{name}` must be a tensor, got {type(mask_NN).__name__}")
        if mask_NN.dtype != torch.bool or mask_NN.shape != (count, count):
            raise InputError(
                f"{where}: `{name}` must be boolean of shape ({count}, {count}), got "
                f"{mask_NN.dtype} of shape {tuple(mask_NN.shape)}"
            )
    return x_ND
