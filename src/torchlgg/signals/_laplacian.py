"""Graph Laplacians. Shapes: N vertices."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from torchlgg.core import (
    InputError,
    at_least_float32,
    check_finite,
    check_option,
    exact_arithmetic,
    magnitude,
    safe_divide,
    safe_rsqrt,
    smallest_divisor,
)

LaplacianNormalization = Literal["symmetric", "random_walk"] | None


def laplacian(adjacency: Tensor, normalization: LaplacianNormalization = None) -> Tensor:
    r"""The Laplacian of a graph.

    With the adjacency matrix A and its degrees D = diag(:math:`\sum_j A_{ij}`):

    - ``None``, combinatorial: L = D − A. A diagonal of A cancels.
    - ``"symmetric"``: :math:`L = I - D^{-1/2} A D^{-1/2}`, eigenvalues in [0, 2].
    - ``"random_walk"``: :math:`L = I - D^{-1} A`.

    The two normalised forms take the degrees of absolute weights, the signed Laplacian, so that
    they stay bounded when signed weights cancel; the combinatorial form takes them as they are.

    Args:
        adjacency: (N, N), floating; row i holds the weights of the edges of vertex i.
        normalization: which Laplacian.

    Returns:
        (N, N), float32 or float64. The row and column of an isolated vertex are zero in all three
        forms: it is a component of its own, with eigenvalue 0.

    Raises:
        InputError: not a finite square floating matrix, or an unknown option.

    Example:
        >>> import torch
        >>> from torchlgg import laplacian
        >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        >>> laplacian(path)
        tensor([[ 1., -1.,  0.],
                [-1.,  2., -1.],
                [ 0., -1.,  1.]])
        >>> laplacian(path, "random_walk")
        tensor([[ 1.0000, -1.0000,  0.0000],
                [-0.5000,  1.0000, -0.5000],
                [ 0.0000, -1.0000,  1.0000]])

    Reference:
        Shuman et al., *The emerging field of signal processing on graphs*, IEEE Signal Processing
        Magazine 30(3) (2013), section II; for signed weights Kunegis et al., SDM 2010.
    """
    check_option(
        normalization,
        ("symmetric", "random_walk", None),
        name="normalization",
        where="laplacian",
    )
    a_NN = adjacency_matrix(adjacency, where="laplacian")
    with exact_arithmetic(a_NN):
        if normalization is None:
            return torch.diag(a_NN.sum(dim=1)) - a_NN
        degree_N = magnitude(a_NN).sum(dim=1)
        floor = smallest_divisor(a_NN)
        if normalization == "random_walk":
            shares_NN = safe_divide(a_NN, degree_N[:, None], floor=floor)
        else:
            inverse_N = safe_rsqrt(degree_N, floor=floor)
            shares_NN = a_NN * inverse_N[:, None] * inverse_N[None, :]
        return torch.diag((degree_N > floor).to(a_NN.dtype)) - shares_NN


def adjacency_matrix(adjacency: Tensor, *, where: str, name: str = "adjacency") -> Tensor:
    """``adjacency`` as a finite (N, N) in float32 or float64, or an :class:`InputError`."""
    if (
        not isinstance(adjacency, Tensor)
        or adjacency.ndim != 2
        or adjacency.shape[0] != adjacency.shape[1]
        or not adjacency.is_floating_point()
    ):
        came = (
            f"{adjacency.dtype} of shape {tuple(adjacency.shape)}"
            if isinstance(adjacency, Tensor)
            else type(adjacency).__name__
        )
        raise InputError(f"{where}: `{name}` must be a square floating matrix (N, N), got {came}")
    a_NN = at_least_float32(adjacency)
    check_finite(a_NN, name=name, where=where)
    return a_NN
