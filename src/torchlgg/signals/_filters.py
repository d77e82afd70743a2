"""Filters and diffusion by repeated multiplication, without eigenvectors.

Shapes: N vertices, C signals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor

from torchlgg.core import (
    InputError,
    check_count,
    exact_arithmetic,
    product,
)
from torchlgg.signals._laplacian import adjacency_matrix, laplacian
from torchlgg.signals._smoothness import signal_matrix


def polynomial_filter(operator: Tensor, signals: Tensor, coefficients: Sequence[float]) -> Tensor:
    r"""A polynomial of a graph operator applied to signals: :math:`\sum_j c_j M^j S`.

    Horner's rule: as many products with M as the degree of the polynomial, and no eigenvector.

    Args:
        operator: M, (N, N): an adjacency matrix or a Laplacian.
        signals: S, (N,) or (N, C).
        coefficients: :math:`c_0, c_1, …`, at least one.

    Returns:
        The filtered signals, of the shape of ``signals``.

    Raises:
        InputError: no coefficient, or an operator and signals that do not fit.

    Example:
        >>> import torch
        >>> from torchlgg.signals import laplacian, polynomial_filter
        >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        >>> polynomial_filter(laplacian(path), torch.tensor([0.0, 0.0, 1.0]), [1.0, -0.5])
        tensor([0.0000, 0.5000, 0.5000])
    """
    where = "polynomial_filter"
    if len(coefficients) == 0:
        raise InputError(f"{where}: `coefficients` must hold at least one number")
    m_NN = adjacency_matrix(operator, where=where, name="operator")
    s_NC = signal_matrix(signals, like=m_NN, where=where)
    with exact_arithmetic(m_NN):
        filtered_NC = coefficients[-1] * s_NC
        for coefficient in reversed(coefficients[:-1]):
            filtered_NC = product(m_NN, filtered_NC) + coefficient * s_NC
    return filtered_NC.reshape(signals.shape)


def heat_diffusion(adjacency: Tensor, signals: Tensor, *, time: float) -> Tensor:
    r"""Signals after heat has flowed along the edges for a while: :math:`e^{-tL} S`.

    L is the symmetric normalised Laplacian, whose eigenvalues lie in [0, 2], so that the
    exponential is a Chebyshev series of M = L − I with Bessel coefficients,
    :math:`e^{-t(1 + M)} = \sum_j (2 - δ_{j0}) (-1)^j e^{-t} I_j(t) T_j(M)`, cut where its terms
    fall below float64's rounding: about t + 20 products with the graph and no eigenvector.

    Args:
        adjacency: (N, N), symmetric.
        signals: (N,) or (N, C).
        time: t ≥ 0. At 0 the signals are unchanged; as t grows each component of the graph tends
            to multiples of the square roots of its degrees.

    Returns:
        The diffused signals, of the shape of ``signals``. Isolated vertices keep theirs.

    Raises:
        InputError: a time below 0 or not finite, or a graph and signals that do not fit.

    Example:
        >>> import torch
        >>> from torchlgg.signals import heat_diffusion
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> heat_diffusion(pair, torch.tensor([1.0, 0.0]), time=0.5)
        tensor([0.6839, 0.3161])

    Reference:
        Hammond, Vandergheynst, Gribonval, *Wavelets on graphs via spectral graph theory*, Applied
        and Computational Harmonic Analysis 30(2) (2011), section 6.
    """
    where = "heat_diffusion"
    if isinstance(time, bool) or not isinstance(time, Real) or not 0 <= time < math.inf:
        raise InputError(f"{where}: `time` must be a finite number, at least 0; got {time!r}")
    a_NN = adjacency_matrix(adjacency, where=where)
    s_NC = signal_matrix(signals, like=a_NN, where=where)
    with exact_arithmetic(a_NN):
        m_NN = laplacian(a_NN, "symmetric")
        m_NN = m_NN - torch.eye(len(m_NN), dtype=m_NN.dtype, device=m_NN.device)
        coefficients = _heat_coefficients(time)
        before_NC, now_NC = s_NC, product(m_NN, s_NC)  # T_0 S and T_1 S
        diffused_NC = coefficients[0] * before_NC
        for coefficient in coefficients[1:]:
            diffused_NC = diffused_NC + coefficient * now_NC
            before_NC, now_NC = now_NC, 2 * product(m_NN, now_NC) - before_NC
    return diffused_NC.reshape(signals.shape)


def _heat_coefficients(time: float) -> list[float]:
    """(2 − δ_j0) (−1)^j e^{−t} I_j(t) until the terms vanish.

    Backward recurrence I_{j−1} = I_{j+1} + (2j/t) I_j from far beyond the last term (Miller's
    algorithm), normalised by I_0 + 2 Σ I_j = e^t; forward recurrence would be unstable.
    """
    if time == 0:
        return [1.0]
    terms = math.ceil(time) + 12 * math.ceil(math.sqrt(time + 1)) + 20
    bessel = [0.0] * (terms + 2)
    bessel[terms] = 1e-290
    for j in range(terms, 0, -1):
        bessel[j - 1] = bessel[j + 1] + 2 * j / time * bessel[j]
        if bessel[j - 1] > 1e200:
            bessel = [value * 1e-250 for value in bessel]
    total = bessel[0] + 2 * math.fsum(bessel[1:])
    scaled = [value / total for value in bessel]
    series = [scaled[0]] + [2 * (-1) ** j * scaled[j] for j in range(1, len(scaled))]
    while len(series) > 1 and abs(series[-1]) < 1e-17:
        series.pop()
    return series


def feature_diffusion(
    adjacency: Tensor, features: Tensor, *, alpha: float = 0.75, kappa: int = 1
) -> Tensor:
    """Features averaged over the graph: :math:`(αI + A)^{κ+1} X`.

    Args:
        adjacency: A, (N, N), usually with symmetric normalisation.
        features: X, (N,) or (N, D).
        alpha: the weight α of the vertex itself.
        kappa: κ ≥ 0; κ + 1 steps are taken.

    Returns:
        The diffused features, of the shape of ``features``.

    Raises:
        InputError: κ below 0, or a graph and features that do not fit.

    Example:
        >>> import torch
        >>> from torchlgg.signals import feature_diffusion
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> feature_diffusion(pair, torch.tensor([1.0, 0.0]))
        tensor([1.5625, 1.5000])

    Reference:
        Bontonou, Béthune, Gripon, *Predicting the generalization ability of a few-shot classifier*,
        Information 12(1):29 (2021).
    """
    where = "feature_diffusion"
    check_count(kappa, name="kappa", where=where, smallest=0)
    a_NN = adjacency_matrix(adjacency, where=where)
    x_ND = signal_matrix(features, like=a_NN, where=where)
    with exact_arithmetic(a_NN):
        for _ in range(kappa + 1):
            x_ND = alpha * x_ND + product(a_NN, x_ND)
    return x_ND.reshape(features.shape)
