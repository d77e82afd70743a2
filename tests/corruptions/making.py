"""Pictures with structure, made without data."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor


def pictures(count: int = 4, *, channels: int = 3, height: int = 32, width: int = 32) -> Tensor:
    """Smooth coloured noise over the whole range, with saturated, black and grey patches."""
    noise = np.random.default_rng(7).normal(size=(count, channels, height, width))
    smooth = gaussian_filter(noise, (0, 0, 2, 2), mode="wrap")
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    levels = np.clip(1.6 * smooth - 0.3, 0, 1)
    levels[:, :, :3, :3] = 0
    levels[:, :, :3, 3:6] = 1
    levels[:, :, 3:6, :3] = 0.5
    return torch.from_numpy((levels * 255).astype(np.uint8))


def flat(level: int, count: int = 4, *, channels: int = 3, size: int = 32) -> Tensor:
    return torch.full((count, channels, size, size), level, dtype=torch.uint8)
