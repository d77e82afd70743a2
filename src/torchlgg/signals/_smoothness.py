"""How smooth signals are on a graph. Shapes: N vertices, C signals."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from torchlgg.core import (
    InputError,
    check_count,
    check_finite,
    check_option,
    exact_arithmetic,
    product,
)
from torchlgg.signals._laplacian import LaplacianNormalization, adjacency_matrix, laplacian


def smoothness(
    adjacency: Tensor,
    signals: Tensor,
    power: int = 1,
    *,
    normalization: LaplacianNormalization = None,
    by: Literal["class", "vertex"] | None = None,
) -> Tensor:
    r"""The smoothness of signals on a graph: small where strong edges join equal values.

    .. math:: σ^m = \operatorname{tr}(S^⊤ L^m S) = \sum_c s_c^⊤ L^m s_c

    with L the Laplacian of ``adjacency``, the columns :math:`s_c` of ``signals`` S, and m =
    ``power``. For m = 1 it is :math:`\frac12 \sum_{ij} A_{ij} ‖S_i - S_j‖^2`; with the class
    indicators as signals, the total weight of the ordered pairs of different classes.

    Args:
        adjacency: (N, N), floating.
        signals: (N,) or (N, C), floating or boolean; :func:`label_indicators` makes them of labels.
        power: m ≥ 1.
        normalization: of the Laplacian; see :func:`laplacian`.
        by: how to split the total. ``"class"``: :math:`s_c^⊤ L^m s_c` of each signal;
            ``"vertex"``: :math:`\sum_c S_{ic} (L^m S)_{ic}` of each vertex, for m = 1 and class
            indicators the weight of its edges to other classes.

    Returns:
        A scalar; (C,) by class; (N,) by vertex, either summing to the scalar. Non-negative for
        non-negative symmetric weights (by vertex, for m = 1). Vertices without edges add nothing.

    Raises:
        InputError: signals of another length than the graph, whole-number signals (labels want
            :func:`label_indicators`), NaN or infinity, a power below 1 or an unknown option.

    Example:
        >>> import torch
        >>> from torchlgg import label_indicators, smoothness
        >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        >>> classes = label_indicators(torch.tensor([0, 0, 1]))
        >>> smoothness(path, classes)
        tensor(2.)
        >>> smoothness(path, classes, by="vertex")
        tensor([0., 1., 1.])
        >>> smoothness(path, classes, power=2)
        tensor(4.)

    Reference:
        Lassance, Gripon, Ortega, Algorithms 14(2):39 (2021); for m > 1 arXiv 1805.10133.
    """
    where = "smoothness"
    check_option(by, ("class", "vertex", None), name="by", where=where)
    check_count(power, name="power", where=where)
    a_NN = adjacency_matrix(adjacency, where=where)
    s_NC = signal_matrix(signals, like=a_NN, where=where)
    with exact_arithmetic(a_NN):
        l_NN = laplacian(a_NN, normalization)
        smoothed_NC = s_NC
        for _ in range(power):
            smoothed_NC = product(l_NN, smoothed_NC)
        product_NC = s_NC * smoothed_NC
    if by is None:
        return product_NC.sum()
    return product_NC.sum(dim=0 if by == "class" else 1)


def signal_matrix(signals: Tensor, *, like: Tensor, where: str) -> Tensor:
    """``signals`` as a finite (N, C) of the type of the graph ``like``, or an InputError."""
    if not isinstance(signals, Tensor) or not (
        signals.is_floating_point() or signals.dtype == torch.bool
    ):
        came = signals.dtype if isinstance(signals, Tensor) else type(signals).__name__
        raise InputError(
            f"{where}: `signals` must be a floating or boolean tensor, got {came}; "
            "class labels become signals with label_indicators(labels)"
        )
    if signals.ndim not in (1, 2) or signals.shape[0] != like.shape[0]:
        raise InputError(
            f"{where}: `signals` must have one row per vertex, shape ({like.shape[0]},) or "
            f"({like.shape[0]}, C); got {tuple(signals.shape)}"
        )
    s_NC = signals if signals.ndim == 2 else signals[:, None]
    s_NC = s_NC.to(like.dtype)
    check_finite(s_NC, name="signals", where=where)
    return s_NC
