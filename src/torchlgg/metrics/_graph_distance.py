"""How far two graphs of the same examples are from each other.

Shapes: N examples, the vertices.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from torchlgg.core import InputError


def graph_distance(adjacency_a: Tensor, adjacency_b: Tensor) -> float:
    """The distance of two graphs on the same vertices, from 0, equal, to 1, no edge in common.

    With A and B the adjacencies: ‖A − B‖_F / √(‖A‖²_F + ‖B‖²_F). It is symmetric, does not change
    when both graphs are scaled by the same factor, and can be read without knowing the weights.
    For non-negative weights it lies in [0, 1] and is 1 exactly when no pair of vertices has an
    edge in both graphs; negative weights can take it up to √2, reached at A = −B. Computed in
    float64.

    Args:
        adjacency_a: (N, N), finite weights, such as the graph of a student's layer.
        adjacency_b: (N, N), finite weights, such as the teacher's, of the same examples in the
            same order.

    Returns:
        The distance. Two graphs without edges have distance 0; a graph with edges has distance 1
        from one without.

    Raises:
        InputError: not two square matrices of one size, or NaN or infinity in them.

    Example:
        >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        >>> triangle = torch.ones(3, 3) - torch.eye(3)
        >>> round(graph_distance(path, triangle), 4)
        0.4472
        >>> round(graph_distance(path, triangle - path), 4)
        1.0
    """
    a_NN = _adjacency(adjacency_a, name="adjacency_a")
    b_NN = _adjacency(adjacency_b, name="adjacency_b")
    if a_NN.shape != b_NN.shape:
        raise InputError(
            "graph_distance: `adjacency_a` and `adjacency_b` must describe the same examples: "
            f"adjacency_a has {a_NN.shape[0]} vertices, adjacency_b {b_NN.shape[0]}"
        )
    scale = max(float(a_NN.abs().max()), float(b_NN.abs().max()))
    if scale == 0:
        return 0.0
    # The largest weight becomes 1, so that no square overflows or vanishes.
    a_NN, b_NN = a_NN / scale, b_NN / scale
    size = math.hypot(float(torch.linalg.vector_norm(a_NN)), float(torch.linalg.vector_norm(b_NN)))
    return float(torch.linalg.vector_norm(a_NN - b_NN)) / size


def _adjacency(adjacency: Tensor, *, name: str) -> Tensor:
    if (
        not isinstance(adjacency, Tensor)
        or adjacency.ndim != 2
        or adjacency.shape[0] != adjacency.shape[1]
        or adjacency.shape[0] == 0
    ):
        got = (
            f"shape {tuple(adjacency.shape)}"
            if isinstance(adjacency, Tensor)
            else type(adjacency).__name__
        )
        raise InputError(f"graph_distance: `{name}` must be an adjacency (N, N), got {got}")
    # to the CPU: not every device has float64
    adjacency_NN = adjacency.detach().to("cpu", torch.float64)
    bad_NN = ~torch.isfinite(adjacency_NN)
    if bool(bad_NN.any()):
        row = int(bad_NN.any(dim=1).int().argmax())
        raise InputError(
            f"graph_distance: `{name}` must be finite; {int(bad_NN.sum())} of its "
            f"{bad_NN.numel()} weights are NaN or infinite, the first in row {row}"
        )
    return adjacency_NN
