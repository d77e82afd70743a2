"""Labelled images of one size, with the names of their classes and their normalisation.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from torchlgg.core import InputError
from torchlgg.data._fields import (
    check_class_names,
    check_labels,
    check_statistics,
    describe,
    normalized,
    positions,
)


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
        check_class_names(self.class_names)
        if isinstance(self.labels, Tensor) and self.labels.device != self.images.device:
            raise InputError(
                f"`images` and `labels` must be on one device: images are on {self.images.device}, "
                f"labels on {self.labels.device}"
            )
        check_labels(self.labels, count=len(self.images), names=self.class_names)
        for name, values in (("mean", self.mean), ("std", self.std)):
            check_statistics(name, values, channels=self.images.shape[1])

    def __len__(self) -> int:
        return self.images.shape[0]

    def __repr__(self) -> str:
        count, *shape = self.images.shape
        size = " x ".join(map(str, shape))
        return (
            f"ImageSet({count} images of {size}, {len(self.class_names)} classes, "
            f"source={self.source!r})"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image.

        Example:
            >>> from torchlgg.data import open_images
            >>> open_images("digits").train.shape
            (1, 8, 8)
        """
        _, channels, height, width = self.images.shape
        return channels, height, width

    def pixels(self, plan: Sequence[Tensor]) -> Iterator[Tensor]:
        """The pixels of one batch after the other.

        Args:
            plan: (B,) positions a batch, as :func:`batches` and :func:`balanced_batches` draw
                them, on any device.

        Returns:
            An iterator of one (B, C, H, W) uint8 tensor an entry, in order, each a copy on the
            device of this set. The labels of a batch are ``labels[positions]``.

        Example:
            >>> from torchlgg.data import batches, open_images
            >>> digits = open_images("digits").test
            >>> [len(pixels) for pixels in digits.pixels(batches(359, batch_size=128))]
            [128, 128, 103]
        """
        for index_B in plan:
            yield self.images[index_B.to(self.images.device)]

    def subset(self, indices: Tensor | Sequence[int]) -> Self:
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
        index = positions(indices, count=len(self)).to(self.images.device)
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
        return normalized(images, mean=self.mean, std=self.std)

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
