"""The forms that torchlgg is measured against, written from the equations of the paper.

Shapes: N examples, D features.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def backward_of(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Callable:
    """Forward and backward, with a fresh gradient."""

    def run() -> None:
        loss(x.detach().requires_grad_(), y).backward()

    return run


def dense_distance(s_ND: Tensor, t_ND: Tensor) -> Tensor:
    """GKD of the complete graph with matrix operations."""
    return (_dense_graph(s_ND) - _dense_graph(t_ND)).square().sum()


def _dense_graph(x_ND: Tensor) -> Tensor:
    z_ND = torch.nn.functional.normalize(x_ND, dim=1)
    a_NN = (z_ND @ z_ND.T).fill_diagonal_(0)
    root_N = a_NN.sum(dim=1).rsqrt()
    return a_NN * root_N[:, None] * root_N[None, :]


def diagonal_distance(s_ND: Tensor, t_ND: Tensor) -> Tensor:
    """GKD with diagonal matrices for the degrees and a loop over rows for the diagonal."""
    return (_diagonal_graph(s_ND) - _diagonal_graph(t_ND)).square().sum()


def _diagonal_graph(x_ND: Tensor) -> Tensor:
    z_ND = torch.nn.functional.normalize(x_ND, dim=1)
    mask_NN = torch.ones(len(x_ND), len(x_ND))
    for row in range(len(x_ND)):
        mask_NN[row, row] = 0
    a_NN = (z_ND @ z_ND.T) * mask_NN
    root_NN = torch.diag(a_NN.sum(dim=1) ** -0.5)
    return root_NN @ a_NN @ root_NN


def chunked_distance(s_ND: Tensor, t_ND: Tensor, *, chunk: int = 1024) -> tuple[float, Tensor]:
    """Value and gradient of GKD in float64, some rows of the matrix at a time: the truth."""
    leaf_ND = s_ND.double().requires_grad_()
    y_ND, other_ND = _scaled(leaf_ND), _scaled(t_ND.double())
    rows_ND = y_ND.detach()
    slope_ND = torch.empty_like(rows_ND)
    value = 0.0
    for start in range(0, len(rows_ND), chunk):
        part = slice(start, start + chunk)
        apart = rows_ND[part] @ rows_ND.T - other_ND[part] @ other_ND.T
        apart.diagonal(start).zero_()
        value += float(apart.square().sum())
        slope_ND[part] = 4 * apart @ rows_ND
    y_ND.backward(slope_ND)
    assert leaf_ND.grad is not None
    return value, leaf_ND.grad


def _scaled(x_ND: Tensor) -> Tensor:
    z_ND = torch.nn.functional.normalize(x_ND, dim=1)
    return z_ND * (z_ND @ z_ND.sum(dim=0) - 1).rsqrt()[:, None]
