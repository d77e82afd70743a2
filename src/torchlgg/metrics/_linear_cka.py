"""Linear centred kernel alignment.

Kornblith et al., ICML 2019, arXiv 1905.00414. Shapes: N examples, D and E features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from torchlgg.core import centered, check_same_rows, feature_matrix, rounding


@torch.no_grad()
def linear_cka(features_a: Tensor, features_b: Tensor) -> float:
    r"""How alike two representations of the same examples are, from 0 to 1.

    .. math:: \frac{‖B^⊤ A‖_F^2}{‖A^⊤ A‖_F ‖B^⊤ B‖_F}
              = \frac{⟨A A^⊤, B B^⊤⟩}{‖A A^⊤‖_F ‖B B^⊤‖_F}

    with the mean of the batch subtracted from each feature. It does not change when either side is
    rotated, moved by an offset or scaled; it is 1 where one side is such a change of the other.
    This is the biased estimate, which grows towards 1 when there are more features than examples.

    The left form needs no N × N matrix and the right one no D × D matrix; the cheaper of the two is
    taken, in float64.

    Args:
        features_a: (N, ...), floating, such as a student's layer.
        features_b: (N, ...), of the same examples in the same order; widths may differ.

    Returns:
        The alignment; 0 where all examples of a side are equal, so that nothing can align. Without
        a gradient.

    Raises:
        InputError: not floating, NaN or infinity, or different numbers of examples.

    Example:
        >>> import torch
        >>> from torchlgg.metrics import linear_cka
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
        >>> round(linear_cka(x, 3 * x.flip(1) + 7), 4)
        1.0
        >>> round(linear_cka(x, x[:, :1]), 4)
        0.7071

    Reference:
        arXiv 1905.00414, section 3.
    """
    where = "linear_cka"
    a_ND = feature_matrix(features_a, name="features_a", where=where)
    b_NE = feature_matrix(features_b, name="features_b", where=where)
    check_same_rows(a_ND, b_NE, names=("features_a", "features_b"), where=where)
    a_ND, b_NE = _spread(a_ND), _spread(b_NE)
    count, a_width, b_width = len(a_ND), a_ND.shape[1], b_NE.shape[1]
    if a_width**2 + a_width * b_width + b_width**2 < count * (a_width + b_width):
        both = float((b_NE.T @ a_ND).square().sum())
        sizes = [float(torch.linalg.matrix_norm(x.T @ x)) for x in (a_ND, b_NE)]
    else:
        a_NN, b_NN = a_ND @ a_ND.T, b_NE @ b_NE.T
        both = float((a_NN * b_NN).sum())
        sizes = [float(torch.linalg.matrix_norm(x_NN)) for x_NN in (a_NN, b_NN)]
    size = math.prod(sizes)
    return min(both / size, 1.0) if size > 0 else 0.0


def _spread(x_ND: Tensor) -> Tensor:
    """The features in float64 about their mean, the largest of them 1; zero where they are dust."""
    coarser = rounding(x_ND) / rounding(x_ND.new_empty(0, dtype=torch.float64))
    # to the CPU: not every device has float64
    x_ND, floor_N = centered(x_ND.to("cpu", torch.float64), dim=0)
    above_N = torch.linalg.vector_norm(x_ND, dim=1) > coarser * floor_N
    x_ND = torch.where(above_N[:, None], x_ND, 0.0)
    return x_ND / x_ND.abs().amax().clamp(min=torch.finfo(torch.float64).tiny)
