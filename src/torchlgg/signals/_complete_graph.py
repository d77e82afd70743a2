"""Smoothness on complete cosine graphs by products with the features, without a matrix of pairs.

Shapes: N vertices, D features, C signals.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import check_count, exact_arithmetic, product, safe_rsqrt, smallest_divisor


def cosine_smoothness(features_ND: Tensor, signals_NC: Tensor, power: int = 1) -> Tensor:
    r"""Smoothness :math:`\operatorname{tr}(S^⊤ L^m S)` on the complete cosine graph, L = D − A.

    With unit rows Z of the features, :math:`L S = \operatorname{diag}(Z Z^⊤ 1) S - Z (Z^⊤ S)`: the
    diagonal of A cancels, and every product has C + 1 columns. L is symmetric, so that
    :math:`σ^2 = ‖L S‖_F^2` takes one application and :math:`σ^3 = ⟨L S, L (L S)⟩` two. An
    application costs N·D·C in time and nothing of the size of N² in memory.

    Args:
        features_ND: (N, D), float32 or float64, such as
            :func:`~torchlgg.graphs.cosine_features` gives; negative values are welcome. A zero row
            is an isolated vertex.
        signals_NC: (N, C), of the same type.
        power: m ≥ 1.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> from torchlgg.signals import cosine_smoothness
        >>> x = torch.tensor([[1.0, 1.0], [1.0, 2.0], [2.0, 1.0]])
        >>> cosine_smoothness(x, torch.tensor([[1.0], [0.0], [1.0]]))
        tensor(1.7487)

    Reference:
        arXiv 1805.10133.
    """
    check_count(power, name="power", where="cosine_smoothness")
    with exact_arithmetic(features_ND):
        square_N = (features_ND * features_ND).sum(dim=1)
        inverse_N = safe_rsqrt(square_N, floor=smallest_divisor(features_ND))
        z_ND = features_ND * inverse_N[:, None]

        def reached(s_NC: Tensor) -> Tensor:
            return product(z_ND, product(z_ND.mT, s_NC))

        both_NC = reached(torch.cat([signals_NC, torch.ones_like(signals_NC[:, :1])], dim=1))
        degree_N1 = both_NC[:, -1:]
        steps = [signals_NC, degree_N1 * signals_NC - both_NC[:, :-1]]  # S, L S, L² S, ...
        while len(steps) <= (power + 1) // 2:
            steps.append(degree_N1 * steps[-1] - reached(steps[-1]))
        return (steps[power // 2] * steps[(power + 1) // 2]).sum()
