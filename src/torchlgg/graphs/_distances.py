"""Euclidean distances of pairs, to the last digit. Shapes: M and N examples, D features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from torchlgg.core import rounding


def pairwise_distances(x_ND: Tensor, rows: slice | None = None) -> Tensor:
    """Euclidean distances of the rows of ``x_ND``, as exact as differences give them.

    :math:`‖x‖² + ‖y‖² − 2⟨x, y⟩` would lose every digit for near-duplicates and under a common
    offset if it were taken in the precision of the features. So it is taken in float64, of features
    without their mean; float64 features are subtracted pair by pair, and so are all on devices
    without float64. Rows that differ by no more than rounding coincide: their distance is 0, and
    has gradient 0.

    Args:
        x_ND: (N, D).
        rows: the examples from which to measure, M in number; ``None`` is all.

    Returns:
        (M, N).

    Example:
        >>> pairwise_distances(torch.tensor([[1000.0], [1000.25]])).max()
        tensor(0.2500)
    """
    from_MD = None if rows is None else x_ND[rows]
    if x_ND.dtype == torch.float64 or x_ND.device.type == "mps":
        distance_MN = torch.cdist(
            x_ND if from_MD is None else from_MD,
            x_ND,
            compute_mode="donot_use_mm_for_euclid_dist",
        )
    else:
        distance_MN = _Distances.apply(x_ND, from_MD)
    return torch.where(distance_MN > rounding_of_differences(x_ND, rows), distance_MN, 0.0)


class _Distances(torch.autograd.Function):
    """Distances of the rows of y from those of x, or of x from each other where there is no y.

    One product in float64 forward, and one backward for each of x and y.
    """

    @staticmethod
    def forward(x_ND: Tensor, y_MD: Tensor | None) -> Tensor:
        x_ND, y_MD = _centered(x_ND, y_MD)
        squares_N = (x_ND * x_ND).sum(1)
        squares_M = squares_N if y_MD is x_ND else (y_MD * y_MD).sum(1)
        squares_MN = torch.addmm(squares_M[:, None] + squares_N, y_MD, x_ND.T, alpha=-2)
        return squares_MN.clamp_(min=0).sqrt_().float()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor | None], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_MN: Tensor) -> tuple[Tensor | None, Tensor | None]:
        # d|y_i - x_j| / dy_i = (y_i - x_j) / |y_i - x_j|, summed over j as W1 y - W x
        own_ND, from_MD, distance_MN = ctx.saved_tensors
        x_ND, y_MD = _centered(own_ND, from_MD)
        pull_MN = torch.where(distance_MN > 0, grad_MN / distance_MN, 0.0).double()
        if from_MD is None:
            return _pulled(x_ND, pull_MN + pull_MN.T, x_ND).to(own_ND.dtype), None
        to_x = to_y = None
        if ctx.needs_input_grad[0]:
            to_x = _pulled(x_ND, pull_MN.T, y_MD).to(own_ND.dtype)
        if ctx.needs_input_grad[1]:
            to_y = _pulled(y_MD, pull_MN, x_ND).to(from_MD.dtype)
        return to_x, to_y


def _pulled(y_MD: Tensor, pull_MN: Tensor, x_ND: Tensor) -> Tensor:
    return torch.addmm(pull_MN.sum(1)[:, None] * y_MD, pull_MN, x_ND, alpha=-1)


def _centered(x_ND: Tensor, y_MD: Tensor | None) -> tuple[Tensor, Tensor]:
    """Both in float64, without their common offset, which is no difference."""
    x_ND = x_ND.double()
    mean_D = x_ND.mean(dim=0)
    x_ND = x_ND - mean_D
    return x_ND, x_ND if y_MD is None else y_MD.double() - mean_D


def rounding_of_differences(x_ND: Tensor, rows: slice | None = None) -> Tensor:
    """The length up to which rows of ``x_ND`` differ by rounding, (M, N), without gradient.

    The same image sent twice through a batched kernel gives rows that are equal but for the last
    digits; relative to the mean distance of a collapsed batch, that dust would be a geometry.

    Args:
        x_ND: (N, D).
        rows: the examples from which to measure, M in number; ``None`` is all.
    """
    size_N = torch.linalg.vector_norm(x_ND.detach(), dim=1)
    size_M = size_N if rows is None else size_N[rows]
    return rounding(x_ND) * torch.maximum(size_M[:, None], size_N[None, :])
