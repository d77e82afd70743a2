r"""The distance of the squares of two complete cosine graphs, without a matrix of pairs.

With the rows y and their squares s as in the file of the first power, the graph is
:math:`A = Y Y^⊤ - \operatorname{diag}(s)` and its square
:math:`A^2 = F K F^⊤ + \operatorname{diag}(s^2)` with
:math:`F = [Y, \operatorname{diag}(s) Y]` and :math:`K = [[Y^⊤ Y, -I], [-I, 0]]`: the
inner product of two squares is :math:`\operatorname{tr}(K G K' G^⊤)`, :math:`G = F^⊤ F'`, and the
diagonals add :math:`2 ⟨s^2, \operatorname{diag}(F K F^⊤)⟩ + ‖s^2‖^2`.

The sums are in float64, plain operations whose gradient autograd finds: O(N D²) time, a few copies
of the features in memory. Shapes: N examples, D features, F = 2 D columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import product, safe_rsqrt, smallest_divisor


def distance_of_squares(
    s_ND: Tensor, t_ND: Tensor, normalized: bool, classes: list[Tensor]
) -> Tensor:
    """The squared Frobenius distance of the squares of two complete cosine graphs.

    Args:
        s_ND: the student's features, :func:`~torchlgg.graphs.cosine_features`.
        t_ND: the teacher's; without gradient.
        normalized: divide the graphs by their degrees, symmetrically.
        classes: the places of the examples of each class, where only edges within them count;
            empty for all edges.
    """
    s_rows_ND, t_rows_ND = _rows(s_ND, normalized), _rows(t_ND, normalized)
    groups: list[slice | Tensor] = list(classes) or [slice(0, len(s_ND))]
    total = s_rows_ND.new_zeros(())
    for rows in groups:
        total = total + _squares_apart(s_rows_ND[rows], t_rows_ND[rows])
    return total.clamp(min=0).to(s_ND.dtype)


def _rows(x_ND: Tensor, normalized: bool) -> Tensor:
    """The rows y in float64."""
    floor = smallest_divisor(x_ND)
    eps = torch.finfo(x_ND.dtype).eps
    x_ND = x_ND.double()
    inverse_N = safe_rsqrt((x_ND * x_ND).sum(dim=1), floor=floor)
    z_ND = x_ND * inverse_N[:, None]
    if not normalized:
        return z_ND
    degree_N = (z_ND * (z_ND.sum(dim=0) - z_ND)).sum(dim=1)
    return z_ND * safe_rsqrt(degree_N, floor=len(x_ND) * eps)[:, None]


def _squares_apart(s_ND: Tensor, t_ND: Tensor) -> Tensor:
    (s_f, s_k, s_self), (t_f, t_k, t_self) = _square(s_ND), _square(t_ND)
    diagonal_N = s_self.square() - t_self.square()
    across_N = (product(s_f, s_k) * s_f).sum(dim=1) - (product(t_f, t_k) * t_f).sum(dim=1)
    norms = (
        _inner(s_f, s_k, s_f.view_as(s_f), s_k)
        - 2 * _inner(s_f, s_k, t_f, t_k)
        + _inner(t_f, t_k, t_f.view_as(t_f), t_k)
    )
    return norms + 2 * (diagonal_N * across_N).sum() + diagonal_N.square().sum()


def _square(y_ND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """F, K and s."""
    self_N = (y_ND * y_ND).sum(dim=1)
    f_NF = torch.cat([y_ND, self_N[:, None] * y_ND], dim=1)
    minus_DD = -torch.eye(y_ND.shape[1], dtype=y_ND.dtype, device=y_ND.device)
    top_DF = torch.cat([product(y_ND.mT, y_ND.view_as(y_ND)), minus_DD], dim=1)
    return f_NF, torch.cat([top_DF, torch.cat([minus_DD, 0 * minus_DD], dim=1)]), self_N


def _inner(f_NF: Tensor, k_FF: Tensor, g_NG: Tensor, l_GG: Tensor) -> Tensor:
    """The inner product of F K Fᵀ and G L Gᵀ."""
    cross_FG = product(f_NF.mT, g_NG)
    return (product(k_FF, cross_FG) * product(cross_FG, l_GG)).sum()
