"""What a training loop needs of labelled images, wherever they are.

Shapes: N images, B images of a batch, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from torch import Tensor


class ImageSource(Protocol):
    """Labelled images of one size: in memory (:class:`ImageSet`) or on disk (:class:`ImageFiles`).

    A function that takes one takes both, and any object of your own with these members.

    Example:
        >>> from torchlgg.data import ImageSource, open_images
        >>> def largest_class(images: ImageSource) -> str:
        ...     return images.class_names[int(images.labels.bincount().argmax())]
        >>> largest_class(open_images("digits").train)
        '1'
    """

    @property
    def labels(self) -> Tensor:
        """(N,), int64, positions in ``class_names``."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a class."""

    @property
    def mean(self) -> tuple[float, ...]:
        """One number a channel, on the scale where pixels run from 0 to 1."""

    @property
    def std(self) -> tuple[float, ...]:
        """One positive number a channel, on the same scale."""

    @property
    def source(self) -> str:
        """Where the images came from, in words."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""

    def __len__(self) -> int:
        """N."""

    def pixels(self, plan: Sequence[Tensor]) -> Iterator[Tensor]:
        """The images at the positions of each entry of ``plan``, (B, C, H, W), uint8, in order."""

    def normalize(self, images: Tensor) -> Tensor:
        """The pixels ``images``, (..., C, H, W), uint8, as the network sees them, float32."""

    def subset(self, indices: Tensor) -> ImageSource:
        """The images at the positions ``indices``, (M,), in this order."""

    def content_hash(self) -> str:
        """A fingerprint of what the set holds."""
