"""What every set of images asks of its fields, and does with them.

Shapes: N images, M positions, C channels, H rows, W columns.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor

from torchlgg.core import InputError


def check_class_names(names: tuple[str, ...]) -> None:
    """Raise an `InputError` unless there is at least one name and all are different."""
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"`class_names` must be a tuple of strings, got {type(names).__name__} {names!r}"
        )
    if not names:
        raise InputError("`class_names` must name at least one class, got none")
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise InputError(f"`class_names` must be all different, but {repeated[0]!r} comes twice")


def check_labels(labels: Tensor, *, count: int, names: tuple[str, ...]) -> None:
    """Raise an `InputError` unless there is one label an image, each of them a class."""
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.ndim != 1:
        raise InputError(f"`labels` must be an int64 tensor (N,), got {describe(labels)}")
    if len(labels) != count:
        raise InputError(
            f"`images` and `labels` must describe the same examples: {count} images, "
            f"{len(labels)} labels"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(names):
        raise InputError(
            f"`labels` must lie between 0 and {len(names) - 1} for {len(names)} class names, got "
            f"{low if low < 0 else high}"
        )


def check_statistics(name: str, values: tuple[float, ...], *, channels: int) -> None:
    """Raise an `InputError` unless there is one finite number a channel, ``std`` above 0."""
    numbers = isinstance(values, tuple) and all(
        isinstance(value, Real) and not isinstance(value, bool) for value in values
    )
    if not numbers or len(values) != channels:
        raise InputError(
            f"`{name}` must be a tuple of one number a channel, {channels} in all, got {values!r}"
        )
    if not all(math.isfinite(value) for value in values):
        raise InputError(f"`{name}` must be finite, got {values!r}")
    if name == "std" and min(values) <= 0:
        raise InputError(f"`std` must be positive in every channel, got {values!r}")


def positions(indices: Tensor | Sequence[int], *, count: int) -> Tensor:
    """Checked positions among ``count`` images, (M,) int64, on the device they came on."""
    index = indices if isinstance(indices, Tensor) else torch.tensor(indices)
    if index.ndim != 1 or index.numel() == 0:
        raise InputError(
            f"`indices` must be one row of at least one position, got shape {tuple(index.shape)}"
        )
    if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
        raise InputError(
            f"`indices` must be whole numbers, got {index.dtype}; turn a mask into positions "
            f"with `mask.nonzero().flatten()`"
        )
    low, high = int(index.min()), int(index.max())
    if low < 0 or high >= count:
        raise InputError(
            f"`indices` must lie between 0 and {count - 1} for {count} images, got "
            f"{low if low < 0 else high}"
        )
    return index.to(torch.int64)


def normalized(images: Tensor, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(v / 255 - mean) / std, channel by channel, of checked uint8 pixels, in float32."""
    channels = len(mean)
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        raise InputError(f"`images` must be a uint8 tensor, got {describe(images)}")
    if images.ndim < 3 or images.shape[-3] != channels:
        raise InputError(
            f"`images` must have shape (..., {channels}, H, W) as this set has {channels} "
            f"channel(s), got {tuple(images.shape)}"
        )
    center, spread = (
        torch.tensor(values, dtype=torch.float32, device=images.device).view(-1, 1, 1)
        for values in (mean, std)
    )
    return images.to(torch.float32).div_(255).sub_(center).div_(spread)


def describe(value: object) -> str:
    """What a message says of a value that should have been a tensor of another kind."""
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return type(value).__name__
