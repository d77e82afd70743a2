"""Arithmetic that neither autocast nor a reduced matmul mode may coarsen.

Cosines of real layers lie between 0.93 and 0.99, so half precision and TF32 rewire a graph:
everything that makes or compares graphs runs in float32 or better, whatever surrounds it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

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
def exact_arithmetic(like: Tensor) -> Iterator[None]:
    """Run the block without autocast and with full float32 products, on the device of ``like``.

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
    if torch.compiler.is_compiling():
        with torch.autocast(device_type=like.device.type, enabled=False):
            yield
        return
    precise = (
        _ieee_matmul()
        if hasattr(torch.backends.cuda.matmul, "fp32_precision")
        else _highest_matmul()
    )
    with precise, torch.autocast(device_type=like.device.type, enabled=False):
        yield


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` itself in float32 or float64, and as float32 where it is float16 or bfloat16.

    Example:
        >>> at_least_float32(torch.ones(1, dtype=torch.float16)).dtype
        torch.float32
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
