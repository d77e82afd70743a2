"""Arithmetic that neither autocast nor a reduced matmul mode may coarsen.

Cosines of real layers lie between 0.93 and 0.99, so half precision and TF32 rewire a graph:
everything that makes or compares graphs runs in float32 or better, whatever surrounds it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor


@contextlib.contextmanager
def _ieee_matmul() -> Iterator[None]:
    backends = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    saved = [backend.fp32_precision for backend in backends]
    try:
        for backend, precision in zip(backends, saved, strict=True):
            if precision in ("tf32", "bf16"):
                backend.fp32_precision = "ieee"
        yield
    finally:
        for backend, precision in zip(backends, saved, strict=True):
            if precision in ("tf32", "bf16"):
                backend.fp32_precision = precision


@contextlib.contextmanager
def _highest_matmul() -> Iterator[None]:  # torch < 2.9 knows one setting only
    saved = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("highest")
        yield
    finally:
        torch.set_float32_matmul_precision(saved)


@contextlib.contextmanager
def _together(*contexts: AbstractContextManager[object]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        yield


def exact_arithmetic(like: Tensor) -> AbstractContextManager[object]:
    """A block without autocast and with full float32 products, on the device of ``like``.

    Under :func:`torch.compile` only autocast is switched off: the mode of float32 products is
    then the one that was set when the code was compiled (PyTorch's default is full precision).

    Args:
        like: any tensor; only its device is read.

    Example:
        >>> x = torch.ones(2, 2)
        >>> with torch.autocast("cpu", dtype=torch.bfloat16), exact_arithmetic(x):
        ...     (x @ x).dtype
        torch.float32
    """
    no_autocast = torch.autocast(device_type=like.device.type, enabled=False)
    if torch.compiler.is_compiling():
        return no_autocast
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        return _together(_ieee_matmul(), no_autocast)
    return _together(_highest_matmul(), no_autocast)


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` itself in float32 or float64, and as float32 where it is float16 or bfloat16.

    Example:
        >>> at_least_float32(torch.ones(1, dtype=torch.float16)).dtype
        torch.float32
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class _Product(torch.autograd.Function):
    """a b, whose backward products are exact too, wherever the backward pass runs."""

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        with exact_arithmetic(a):
            return a @ b

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        needs_a, needs_b = ctx.needs_input_grad
        return (
            product(gradient, b.mT) if needs_a else None,
            product(a.mT, gradient) if needs_b else None,
        )


def product(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product of two tensors of one type, exact in both directions.

    Under autocast :func:`exact_arithmetic` cannot protect the backward pass, which runs after the
    block has ended: in whatever state the caller left, or, compiled, in that of the forward call.

    Args:
        a: (..., M, K).
        b: (..., K, N), with the same leading axes.

    Returns:
        (..., M, N).

    Example:
        >>> product(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[1., 2.],
                [3., 4.]])
    """
    result: Tensor = _Product.apply(a, b)
    return result
