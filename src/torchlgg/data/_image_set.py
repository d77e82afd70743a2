"""Labelled images of one size, with the names of their classes and their normalisation.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from torchlgg.core import InputError


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Labelled images of one size, as one uint8 tensor, and what is needed to feed a network.

    ``normalize`` maps a pixel value v of channel c to (v / 255 - mean[c]) / std[c]. Two sets are
    equal only if they are the same object; ``content_hash`` compares what they hold.

    Args:
        images: (N, C, H, W), uint8, N >= 1.
        labels: (N,), int64, positions in ``class_names``; on the same device as ``images``.
        class_names: one name a class, all different, in the recorded order: label i means
            ``class_names[i]``.
        mean: one number a channel, on the scale where pixels run from 0 to 1.
        std: one positive number a channel, on the same scale.
        source: where the images came from, in words, for the records.
        statistics: where ``mean`` and ``std`` came from: ``"published"`` constants of a known
            data set, ``"computed"`` from the training images, or ``"given"`` by the caller.

    Raises:
        InputError: when a field does not fit the others.

    Example:
        >>> import torch
        >>> pair = ImageSet(
        ...     images=torch.tensor([[[[0, 255]]], [[[51, 102]]]], dtype=torch.uint8),
        ...     labels=torch.tensor([1, 0]),
        ...     class_names=("cat", "dog"),
        ...     mean=(0.4,),
        ...     std=(0.5,),
        ...     source="two by hand",
        ... )
        >>> pair
        ImageSet(2 images of 1 x 1 x 2, 2 classes, source='two by hand')
        >>> pair.normalize(pair.images).flatten().tolist()
        [-0.800000011920929, 1.2000000476837158, -0.4000000059604645, 0.0]
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    statistics: Literal["published", "computed", "given"] = "given"

    def __post_init__(self) -> None:
        _check_images(self.images)
        _check_class_names(self.class_names)
        _check_labels(self.labels, self.images, self.class_names)
        for name, values in (("mean", self.mean), ("std", self.std)):
            _check_statistics(name, values, channels=self.images.shape[1])

    def __len__(self) -> int:
        return self.images.shape[0]

    def __repr__(self) -> str:
        count, *shape = self.images.shape
        size = " x ".join(map(str, shape))
        return (
            f"ImageSet({count} images of {size}, {len(self.class_names)} classes, "
            f"source={self.source!r})"
        )

    def subset(self, indices: Tensor | Sequence[int]) -> ImageSet:
        """The images at the given positions, in the given order, with everything else the same.

        Args:
            indices: (M,) whole numbers from 0 to N - 1, M >= 1; a position may come twice.

        Returns:
            A set of M images, copied; classes, normalisation and source are those of this set.

        Raises:
            InputError: when ``indices`` is empty, not of whole numbers, or out of range.

        Example:
            >>> from torchlgg.data import open_images
            >>> digits = open_images("digits").train
            >>> digits.subset([5, 0, 5]).labels.tolist()
            [7, 0, 7]
        """
        index = indices if isinstance(indices, Tensor) else torch.tensor(indices)
        if index.ndim != 1 or index.numel() == 0:
            raise InputError(
                f"`indices` must be one row of at least one position, got shape "
                f"{tuple(index.shape)}"
            )
        if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
            raise InputError(
                f"`indices` must be whole numbers, got {index.dtype}; turn a mask into positions "
                f"with `mask.nonzero().flatten()`"
            )
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= len(self):
            raise InputError(
                f"`indices` must lie between 0 and {len(self) - 1} for {len(self)} images, got "
                f"{low if low < 0 else high}"
            )
        index = index.to(device=self.images.device, dtype=torch.int64)
        return replace(self, images=self.images[index], labels=self.labels[index])

    def normalize(self, images: Tensor) -> Tensor:
        """Pixels as the network sees them: (v / 255 - mean) / std, channel by channel.

        Args:
            images: (..., C, H, W), uint8, on any device; not changed.

        Returns:
            The same shape in float32, on the same device.

        Raises:
            InputError: when ``images`` is not uint8 or has another number of channels.

        Example:
            >>> import torch
            >>> from torchlgg.data import open_images
            >>> digits = open_images("digits").train
            >>> x = digits.normalize(digits.images)
            >>> print(f"{x.min():.3f} {x.max():.3f} {x.std():.3f}")
            -0.813 1.849 1.000
        """
        channels = len(self.mean)
        if not isinstance(images, Tensor) or images.dtype != torch.uint8:
            raise InputError(f"`images` must be a uint8 tensor, got {describe(images)}")
        if images.ndim < 3 or images.shape[-3] != channels:
            raise InputError(
                f"`images` must have shape (..., {channels}, H, W) as this set has {channels} "
                f"channel(s), got {tuple(images.shape)}"
            )
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=images.device).view(-1, 1, 1)
            for values in (self.mean, self.std)
        )
        return images.to(torch.float32).div_(255).sub_(mean).div_(std)

    def content_hash(self) -> str:
        """A fingerprint of what the set holds, for records: SHA-256 of shape, pixels and labels.

        Sets with the same images and labels in the same order have the same fingerprint, on any
        device and in any memory layout; names, normalisation and source are not part of it.

        Returns:
            64 hexadecimal digits.

        Example:
            >>> from torchlgg.data import open_images
            >>> open_images("digits").test.content_hash()[:16]
            '12d1bd548556a5c9'
        """
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.cpu().contiguous().numpy().data)
        digest.update(self.labels.cpu().contiguous().numpy().astype("<i8", copy=False).data)
        return digest.hexdigest()


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
        raise InputError(f"`images` must be a uint8 tensor (N, C, H, W), got {describe(images)}")
    if images.numel() == 0:
        raise InputError(
            f"`images` must hold at least one image of at least one pixel, got shape "
            f"{tuple(images.shape)}"
        )


def _check_class_names(names: tuple[str, ...]) -> None:
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"`class_names` must be a tuple of strings, got {type(names).__name__} {names!r}"
        )
    if not names:
        raise InputError("`class_names` must name at least one class, got none")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"`class_names` must be all different, but {repeated[0]!r} comes twice")


def _check_labels(labels: Tensor, images: Tensor, names: tuple[str, ...]) -> None:
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.ndim != 1:
        raise InputError(f"`labels` must be an int64 tensor (N,), got {describe(labels)}")
    if len(labels) != len(images):
        raise InputError(
            f"`images` and `labels` must describe the same examples: {len(images)} images, "
            f"{len(labels)} labels"
        )
    if labels.device != images.device:
        raise InputError(
            f"`images` and `labels` must be on one device: images are on {images.device}, "
            f"labels on {labels.device}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(names):
        raise InputError(
            f"`labels` must lie between 0 and {len(names) - 1} for {len(names)} class names, got "
            f"{low if low < 0 else high}"
        )


def _check_statistics(name: str, values: tuple[float, ...], *, channels: int) -> None:
    if not isinstance(values, tuple) or len(values) != channels:
        raise InputError(
            f"`{name}` must be a tuple of one number a channel, {channels} in all, got {values!r}"
        )
    if not all(math.isfinite(value) for value in values):
        raise InputError(f"`{name}` must be finite, got {values!r}")
    if name == "std" and min(values) <= 0:
        raise InputError(f"`std` must be positive in every channel, got {values!r}")


def describe(value: object) -> str:
    """What a message says of a value that should have been a tensor of another kind."""
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return type(value).__name__
