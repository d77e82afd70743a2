"""Between 8-bit pixels and the scale on which the corruptions compute."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


def unit(pixels: Bytes) -> Floats:
    """Pixels from 0 to 1."""
    return pixels / 255.0


def truncated(values: NDArray[np.floating[Any]]) -> Bytes:
    """Values, clipped to 0 ... 1, as pixels: cut off after the point, as the original does."""
    pixels: Bytes = (np.clip(values, 0, 1) * 255).astype(np.uint8)
    return pixels


def luma(pixels: Bytes) -> Bytes:
    """(N, 3, H, W) as one channel (N, 1, H, W); three equal channels give that channel."""
    weights = np.array([299, 587, 114]).reshape(3, 1, 1)
    grey: Bytes = ((pixels * weights).sum(axis=1, keepdims=True) // 1000).astype(np.uint8)
    return grey
