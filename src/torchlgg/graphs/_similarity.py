"""Similarity of every pair of examples, and how close they are when neighbours are chosen.

Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from torchlgg.core import (
    centered,
    product,
    rounding,
    safe_divide,
    safe_rsqrt,
    smallest_divisor,
)
from torchlgg.graphs._distances import pairwise_distances
from torchlgg.graphs._spec import Bandwidth, GraphSpec


class Similarities(NamedTuple):
    """What the choice of neighbours and the weighting need to know of all pairs."""

    weights_NN: Tensor  # differentiable, diagonal included
    closeness_NN: Tensor  # larger is nearer; without gradient
    live_N: Tensor  # False for dead rows, which have no edges
    degree_floor: float  # a degree up to here is rounding of zero


class _Gram(torch.autograd.Function):
    """x xᵀ with one product backward, (G + Gᵀ) x, where autograd would take two."""

    @staticmethod
    def forward(x_ND: Tensor) -> Tensor:
        return x_ND @ x_ND.T

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad_NN: Tensor) -> Tensor:
        (x_ND,) = ctx.saved_tensors
        return product(grad_NN + grad_NN.T, x_ND)


def gram(x_ND: Tensor) -> Tensor:
    """The matrix of inner products :math:`x_i · x_j`, (N, N), of the rows of ``x_ND``.

    Example:
        >>> gram(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
        tensor([[5., 2.],
                [2., 1.]])
    """
    product_NN: Tensor = _Gram.apply(x_ND)
    return product_NN


def similarities(x_ND: Tensor, spec: GraphSpec) -> Similarities:
    """All pairs of the rows of ``x_ND`` under ``spec.similarity``, ``center`` and ``bandwidth``."""
    count = x_ND.shape[0]
    floor_N = x_ND.new_zeros(count)
    if spec.center:
        x_ND, floor_N = centered(x_ND, dim=0)
    if spec.similarity in ("cosine", "shifted_cosine"):
        # cos_ij = <x_i, x_j> / (|x_i| |x_j|): the norms are the diagonal of the Gram matrix, so no
        # normalised copy of the features is made
        gram_NN = gram(x_ND)
        square_N = gram_NN.diagonal()
        square_N = torch.where(square_N > floor_N * floor_N, square_N, 0.0)
        inverse_N = safe_rsqrt(square_N, floor=smallest_divisor(x_ND))
        cosine_NN = gram_NN * inverse_N[:, None] * inverse_N[None, :]
        live_N = inverse_N.detach() > 0
        if spec.similarity == "shifted_cosine":
            cosine_NN = torch.where(live_N[:, None] & live_N[None, :], (1 + cosine_NN) / 2, 0.0)
        # a cosine is known to one rounding of 1, and a degree to as many as it has terms
        floor = count * rounding(x_ND) / 4
        return Similarities(cosine_NN, cosine_NN.detach(), live_N, floor)
    distance_NN = pairwise_distances(x_ND)
    weights_NN = kernel(distance_NN, bandwidth_of(distance_NN, spec.bandwidth), spec)
    live_N = torch.ones(count, dtype=torch.bool, device=x_ND.device)
    return Similarities(weights_NN, -distance_NN.detach(), live_N, smallest_divisor(x_ND))


def bandwidth_of(distance_NN: Tensor, bandwidth: Bandwidth) -> Tensor:
    """The bandwidth h as a scalar, from the distances of all pairs where it is a word."""
    count = distance_NN.shape[0]
    if not isinstance(bandwidth, str):
        return distance_NN.new_full((), bandwidth)
    if count == 1:
        return distance_NN.new_ones(())
    pairs = count * (count - 1)
    if bandwidth == "mean":
        return distance_NN.sum() / pairs
    # every distance stands twice in the matrix, so the lower median of the pairs is the
    # (pairs / 2)-th smallest of the entries off the diagonal
    self_NN = torch.eye(count, dtype=torch.bool, device=distance_NN.device)
    return distance_NN.masked_fill(self_NN, torch.inf).flatten().kthvalue(pairs // 2).values


def kernel(distance_MN: Tensor, h: Tensor, spec: GraphSpec) -> Tensor:
    """The weights of distances; where h is 0, a distance of 0 has weight 1 and the rest 0."""
    floor = smallest_divisor(distance_MN)
    far_MN = (h <= floor) & (distance_MN > 0)
    ratio_MN = safe_divide(distance_MN, h, floor=floor).masked_fill(far_MN, torch.inf)
    return torch.exp(-(ratio_MN if spec.similarity == "exponential" else ratio_MN.square() / 2))
