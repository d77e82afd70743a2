r"""The distance of two row-normalised Gram matrices from sums over examples, without the matrices.

Rows of :math:`X X^⊤` have the norms :math:`n_i = \sqrt{x_i^⊤ M x_i}`, :math:`M = X^⊤ X`; divided by
them, a row has norm 1, or 0 where it is zero. So the squared distance to the rows of
:math:`T T^⊤`, of norms :math:`m_i`, is

.. math:: \sum_i \Big([n_i > 0] + [m_i > 0] - 2 \frac{x_i^⊤ P t_i}{n_i m_i}\Big), \quad P = X^⊤ T.

The terms are near zero for a student near its teacher, a difference of ones, so that everything is
in float64: O(N D²) time, a few copies of the features and D × D sums in memory. They are plain
operations whose gradient autograd finds. Shapes: N examples, D features, E of the teacher.
"""

from __future__ import annotations

from torch import Tensor

from torchlgg.core import MAX_MEMORY, safe_rsqrt, smallest_divisor


def row_sums_pay(count: int, s_width: int, t_width: int) -> bool:
    """Whether sums over examples cost less than the two N × N matrices, forward and backward.

    Counted in multiply-adds of float32 per example, a float64 one as two, and the element-wise
    passes over the matrices as 512 features, as for complete graphs. Matrices that take more than
    the library's bound on memory are not made where the sums are smaller.

    Args:
        count: N.
        s_width: the student's D.
        t_width: the teacher's.
    """
    if count < 256:
        return False
    pairs = count * (2 * s_width + t_width + 512)
    sums = 2 * (6 * s_width**2 + 5 * s_width * t_width + 2 * t_width**2)
    too_large = 16 * count**2 > MAX_MEMORY and max(s_width, t_width) < count
    return sums < pairs or too_large


def row_normalized_distance(s_ND: Tensor, t_NE: Tensor) -> Tensor:
    """The squared Frobenius distance of the Gram matrices of two sides, rows of norm 1.

    Args:
        s_ND: the student's features.
        t_NE: the teacher's, of the same type.

    Returns:
        A scalar ≥ 0 of the type of ``s_ND``. The row of a dead example is zero.
    """
    floor = smallest_divisor(s_ND)  # of a squared norm, as in the matrix of pairs
    x_ND, t_ND = s_ND.double(), t_NE.double()
    s_inverse_N, t_inverse_N = _inverse_norms(x_ND, floor), _inverse_norms(t_ND, floor)
    cross_N = ((x_ND @ (x_ND.mT @ t_ND)) * t_ND).sum(dim=1) * s_inverse_N * t_inverse_N
    live_N = (s_inverse_N > 0).double() + (t_inverse_N > 0).double()
    return (live_N - 2 * cross_N).sum().clamp(min=0).to(s_ND.dtype)


def _inverse_norms(x_ND: Tensor, floor: float) -> Tensor:
    """1 / |row i of X Xᵀ|; 0 for a zero row."""
    return safe_rsqrt(((x_ND @ (x_ND.mT @ x_ND.view_as(x_ND))) * x_ND).sum(dim=1), floor=floor)
