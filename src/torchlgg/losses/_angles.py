r"""The distance of all angles of two sides, without a cube of cosines in memory.

At an anchor j let :math:`e_i` be the unit vectors from it to the examples i, :math:`ρ_i` their
reciprocal lengths, and :math:`C = E E^⊤` the cosines of the angles there, on either side. With
:math:`H = \operatorname{clamp}(C_S - C_T, -1, 1)`, the derivative of the Huber function,

- the value is :math:`\sum_{i ≠ k} H_{ik} (C_S - C_T - H/2)_{ik}`;
- its gradient in :math:`e_i` is :math:`g_i = 2 \sum_k H_{ik} e_k`, since H is symmetric;
- in :math:`x_i` it is :math:`ρ_i (g_i - e_i ⟨e_i, g_i⟩)`, and the negative of it in :math:`x_j`.

Value and gradient come from one pass over anchors, three products in all, and only the gradient is
kept: O(N D) memory beside a tile of a few anchors, or of a few rows of one.

Shapes: N examples, A anchors of a tile, I rows of a tile, D features.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from torchlgg.core import row_tiles, smallest_divisor
from torchlgg.graphs import rounding_of_differences


def angles_apart(s_ND: Tensor, t_ND: Tensor, *, max_memory: int) -> Tensor:
    """The Huber functions of the differences of all cosines of angles, summed.

    Args:
        s_ND: the student's features.
        t_ND: the teacher's, of any width and the same type; without gradient.
        max_memory: bytes for the tiles.

    Returns:
        A scalar of the type of ``s_ND``; it can be differentiated once.
    """
    trains = torch.is_grad_enabled() and s_ND.requires_grad
    total: Tensor = _AnglesApart.apply(s_ND, t_ND, max_memory, trains)
    return total


class _AnglesApart(torch.autograd.Function):
    """Value and, where it is wanted, gradient in one call; backward scales the gradient."""

    @staticmethod
    def forward(ctx: Any, s_ND: Tensor, t_ND: Tensor, max_memory: int, trains: bool) -> Tensor:
        total = torch.zeros((), dtype=torch.float64, device=s_ND.device)
        gradient_ND = torch.zeros_like(s_ND) if trains else None
        for anchors, runs in _tiles(s_ND, t_ND, max_memory):
            total += _at_anchors(s_ND, t_ND, anchors, runs, gradient_ND)
        if gradient_ND is not None:
            ctx.save_for_backward(gradient_ND)
        return total.to(s_ND.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (gradient_ND,) = ctx.saved_tensors
        return gradient_ND * gradient, None, None, None


def _at_anchors(
    s_ND: Tensor, t_ND: Tensor, anchors: slice, runs: list[slice], gradient_ND: Tensor | None
) -> Tensor:
    """The sum over the angles at some anchors; their gradient is added to ``gradient_ND``."""
    s_AND, inverse_AN = _directions(s_ND, anchors)
    t_AND, _ = _directions(t_ND, anchors)
    total = torch.zeros((), dtype=torch.float64, device=s_ND.device)
    for run in runs:
        value, slope_AIN = _huber(s_AND, t_AND, run)
        total += value
        if gradient_ND is not None:
            e_AID, g_AID = s_AND[:, run], torch.bmm(slope_AIN, s_AND)
            g_AID.addcmul_(e_AID, (e_AID * g_AID).sum(-1, keepdim=True), value=-1)
            g_AID.mul_(inverse_AN[:, run, None]).mul_(2)
            gradient_ND[run] += g_AID.sum(0)
            gradient_ND[anchors] -= g_AID.sum(1)
            del g_AID
        del slope_AIN  # before the next one is made
    return total


def _huber(s_AND: Tensor, t_AND: Tensor, run: slice) -> tuple[Tensor, Tensor]:
    """The sum of the Huber functions of some rows of differences, and their derivatives."""
    apart_AIN = torch.bmm(s_AND[:, run], s_AND.mT)
    apart_AIN.baddbmm_(t_AND[:, run], t_AND.mT, alpha=-1)
    # a pair i = k has cosine 1 on both sides and a pair with j has 0: neither adds anything unless
    # a coincident example makes one of them 0
    apart_AIN.diagonal(offset=run.start, dim1=1, dim2=2).zero_()
    slope_AIN = apart_AIN.clamp(-1, 1)
    return apart_AIN.add_(slope_AIN, alpha=-0.5).mul_(slope_AIN).sum(), slope_AIN


def _tiles(s_ND: Tensor, t_ND: Tensor, max_memory: int) -> list[tuple[slice, list[slice]]]:
    """Anchors, each with the runs of rows that they are taken with."""
    count, size = len(s_ND), s_ND.element_size()
    # directions on both sides, their gradient and one temporary, and numbers of each direction;
    # differences and their slopes
    vectors = size * count * (3 * s_ND.shape[1] + t_ND.shape[1] + 5)
    pairs = size * 2 * count
    anchors = row_tiles(count, vectors + pairs * count, max_memory)
    runs = [slice(0, count)]
    if anchors[0].stop == 1:
        runs = row_tiles(count, pairs, max_memory - vectors)
    return [(few, runs) for few in anchors]


def _directions(x_ND: Tensor, anchors: slice) -> tuple[Tensor, Tensor]:
    """At [j, i] the unit vector from x_j to x_i and 1 over its length; 0 where they coincide."""
    x_AND = x_ND[None, :, :] - x_ND[anchors, None, :]
    length_AN = torch.linalg.vector_norm(x_AND, dim=-1)
    floor_AN = rounding_of_differences(x_ND, anchors).clamp(min=smallest_divisor(x_ND) ** 0.5)
    apart_AN = length_AN > floor_AN
    inverse_AN = torch.where(apart_AN, 1 / torch.where(apart_AN, length_AN, 1.0), 0.0)
    return x_AND.mul_(inverse_AN[:, :, None]), inverse_AN
