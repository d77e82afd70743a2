"""Quotients and roots whose value and gradient are zero where the textbook has none.

``torch.where`` alone is not enough: the branch that is not taken still sends its gradient back,
and zero times infinity is NaN. Every function here masks the argument first and the result after.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rounding(x: Tensor) -> float:
    """The size of a few roundings of numbers near one: four units in the last place of ``x``.

    Example:
        >>> rounding(torch.ones(1, dtype=torch.float64))
        8.881784197001252e-16
    """
    return 4.0 * torch.finfo(x.dtype).eps


def smallest_divisor(x: Tensor) -> float:
    """The smallest number of the type of ``x`` whose power −3/2 is still finite.

    Anything below is zero as a divisor: its reciprocal root would overflow in the backward pass.

    Example:
        >>> smallest_divisor(torch.ones(1)) ** -1.5 < torch.finfo(torch.float32).max
        True
    """
    return float(torch.finfo(x.dtype).tiny ** (2 / 3))


def safe_divide(numerator: Tensor, denominator: Tensor, *, floor: float = 0.0) -> Tensor:
    """``numerator / denominator``, and 0 with zero gradient where ``denominator <= floor``.

    Args:
        numerator: any shape that broadcasts with the denominator.
        denominator: non-negative.
        floor: the largest denominator that counts as zero.

    Example:
        >>> safe_divide(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 0.0]))
        tensor([0.5000, 0.0000])
    """
    usable = denominator > floor
    quotient = numerator / torch.where(usable, denominator, 1.0)
    return torch.where(usable, quotient, 0.0)


def safe_rsqrt(x: Tensor, *, floor: float = 0.0) -> Tensor:
    """``x ** -0.5``, and 0 with zero gradient where ``x <= floor``.

    Example:
        >>> safe_rsqrt(torch.tensor([4.0, 0.0]))
        tensor([0.5000, 0.0000])
    """
    usable = x > floor
    return torch.where(usable, torch.where(usable, x, 1.0).rsqrt(), 0.0)


def magnitude(x: Tensor) -> Tensor:
    """The absolute value of ``x``, with derivative 1 at 0, where :func:`torch.abs` takes 0.

    A degree that sums absolute weights then has the gradient of the plain sum for every graph of
    non-negative weights, also where a weight is exactly 0, as it often is after a ReLU.

    Example:
        >>> x = torch.tensor([-2.0, 0.0], requires_grad=True)
        >>> magnitude(x).sum().backward()
        >>> x.grad
        tensor([-1.,  1.])
    """
    return torch.where(x < 0, -x, x)


def unit_rows(x_ND: Tensor, *, floor_N: Tensor | None = None) -> Tensor:
    """Rows divided by their Euclidean norm; a zero row stays zero, with zero gradient.

    Args:
        x_ND: (N, D) or any shape whose last axis holds the vectors.
        floor_N: the norm up to which a vector counts as zero, one number each; ``None`` is 0.

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    squares_N = (x_ND * x_ND).sum(-1)
    if floor_N is not None:
        squares_N = torch.where(squares_N > floor_N * floor_N, squares_N, 0.0)
    return x_ND * safe_rsqrt(squares_N, floor=smallest_divisor(x_ND)).unsqueeze(-1)


def centered(x_ND: Tensor, *, dim: int) -> tuple[Tensor, Tensor]:
    """``x`` minus its mean along ``dim``, and the size below which a vector of it is rounding.

    Subtracting a mean from vectors that all equal it leaves not zero but the rounding of the
    subtraction; normalised, that dust would pass for a direction and its gradient explode.

    Args:
        x_ND: (N, D).
        dim: 0 subtracts the mean row from every row, 1 subtracts each row's own mean.

    Returns:
        The centred (N, D) and, one number a row, the norm up to which a row of it counts as zero.

    Example:
        >>> rows, floor = centered(torch.full((2, 3), 0.1), dim=0)
        >>> bool((rows.norm(dim=1) <= floor).all())
        True
    """
    mean = x_ND.mean(dim, keepdim=True)
    with torch.no_grad():
        size_N = torch.linalg.vector_norm(x_ND, dim=1) + torch.linalg.vector_norm(
            mean.expand_as(x_ND), dim=1
        )
        floor_N = rounding(x_ND) * size_N
    return x_ND - mean, floor_N
