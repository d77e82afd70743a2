"""What every public function asks of the tensors it is given."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from torchlgg.core._errors import InputError, did_you_mean
from torchlgg.core._precision import at_least_float32


def check_option(value: Any, allowed: Collection[Any], *, name: str, where: str) -> None:
    """Raise :class:`InputError` unless ``value`` is one of ``allowed``.

    Args:
        value: what the caller passed.
        allowed: the values that exist.
        name: the argument's name.
        where: the public function that was called.

    Example:
        >>> check_option("sum", ("sum", "mean"), name="reduction", where="a_loss")
    """
    if not any(type(value) is type(option) and value == option for option in allowed):
        listed = ", ".join(map(repr, allowed))
        hint = did_you_mean(value, map(str, allowed)) if isinstance(value, str) else ""
        hint = hint if "did you mean" in hint else ""
        raise InputError(f"{where}: `{name}` must be one of {listed}; got {value!r}{hint}")


def check_positive(value: float, *, name: str, where: str, otherwise: str = "") -> None:
    """Raise :class:`InputError` unless ``value`` is a number above zero and below infinity.

    Args:
        value: what the caller passed.
        name: the argument's name.
        where: the public function that was called.
        otherwise: what else the argument may be, for the error.

    Example:
        >>> check_positive(0.5, name="alpha", where="a_loss")
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < math.inf:
        raise InputError(f"{where}: `{name}` must be positive{otherwise}; got {value!r}")


def check_count(value: int, *, name: str, where: str, smallest: int = 1) -> None:
    """Raise :class:`InputError` unless ``value`` is a whole number, at least ``smallest``.

    Args:
        value: what the caller passed.
        name: the argument's name.
        where: the public function that was called.
        smallest: the least that is allowed.

    Example:
        >>> check_count(2, name="power", where="a_loss")
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < smallest:
        raise InputError(
            f"{where}: `{name}` must be a whole number, at least {smallest}; got {value!r}"
        )


def check_labels(labels: Tensor, *, count: int, where: str) -> None:
    """Raise :class:`InputError` unless ``labels`` is a tensor with one entry per example.

    Args:
        labels: (N,) or (N, C).
        count: N.
        where: the public function that was called.
    """
    if not isinstance(labels, Tensor):
        raise InputError(f"{where}: `labels` must be a tensor, got {type(labels).__name__}")
    if labels.shape[:1] != (count,):
        raise InputError(
            f"{where}: `labels` must have one entry per example: {count} examples, labels of shape "
            f"{tuple(labels.shape)}"
        )


def check_finite(x_ND: Tensor, *, name: str, where: str) -> None:
    """Raise :class:`InputError` where ``x_ND`` holds NaN or infinity; nothing under compilation.

    The sum is read first: one pass without a temporary, and it is finite when every entry is
    (or the entries are so large that a second look is due anyway).

    Args:
        x_ND: (N, D), rows are examples.
        name: the argument or tap.
        where: the public function that was called.
    """
    if torch.compiler.is_compiling() or bool(torch.isfinite(x_ND.detach().sum())):
        return
    bad_ND = ~torch.isfinite(x_ND.detach())
    count = int(bad_ND.sum())
    if count:
        row = int(bad_ND.any(dim=1).int().argmax())
        raise InputError(
            f"{where}: `{name}` must be finite; {count} of its {x_ND.numel()} values are NaN or "
            f"infinite, the first in row {row}; look at what the layer received, or at the loss "
            "one step before"
        )


def feature_matrix(features: Tensor, *, name: str, where: str) -> Tensor:
    """Features of N examples as a finite (N, D) matrix in float32 or float64.

    Args:
        features: (N, ...), floating; each example is flattened. (N,) is N examples of one number.
        name: the argument or tap, for the error.
        where: the public function that was called, for the error.

    Returns:
        (N, D); float16 and bfloat16 become float32.

    Raises:
        InputError: not a floating tensor, no example, no feature, or NaN or infinity in it.

    Example:
        >>> feature_matrix(torch.ones(2, 3, 4), name="x", where="f").shape
        torch.Size([2, 12])
    """
    if not isinstance(features, Tensor):
        raise InputError(
            f"{where}: `{name}` must be a tensor of features (N, ...), "
            f"got {type(features).__name__}"
        )
    if not features.is_floating_point():
        raise InputError(
            f"{where}: `{name}` must hold floating-point features, got {features.dtype}; "
            "convert it with .float()"
        )
    if features.ndim == 0 or features.numel() == 0:
        raise InputError(
            f"{where}: `{name}` must hold at least one example and one feature, "
            f"got shape {tuple(features.shape)}"
        )
    x_ND = at_least_float32(features.reshape(features.shape[0], -1))
    check_finite(x_ND, name=name, where=where)
    return x_ND


def check_same_rows(x: Tensor, y: Tensor, *, names: tuple[str, str], where: str) -> None:
    """Raise :class:`InputError` unless both tensors describe the same number of examples.

    Args:
        x: (N, ...).
        y: (N, ...).
        names: their arguments' names.
        where: the public function that was called.
    """
    if x.shape[0] != y.shape[0]:
        raise InputError(
            f"{where}: `{names[0]}` and `{names[1]}` must describe the same examples: "
            f"{names[0]} has {x.shape[0]} rows, {names[1]} {y.shape[0]}"
        )
