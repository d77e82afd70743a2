"""Where decoded images are put: one uint8 tensor of one size, made once.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchlgg.core import InputError


class FirstImage(NamedTuple):
    """The image whose size all others must have."""

    height: int
    width: int
    place: str


class PixelStore:
    """Takes decoded images one after the other and sees that they have one size.

    Args:
        count: N, known beforehand so that the tensor is made once.
        first: the first image of another split, whose size this one must have too.
        source: the argument that the images came by, for messages.
    """

    def __init__(
        self, count: int, *, first: FirstImage | None = None, source: str = "source"
    ) -> None:
        self.first = first
        self._count = count
        self._source = source
        self._row = 0
        self._pixels: NDArray[np.uint8] | None = None

    def add(self, image: NDArray[np.uint8], place: str) -> None:
        """Put the next image.

        Args:
            image: (H, W), grey, or (H, W, 3).
            place: how a message names it.

        Raises:
            InputError: when its size is not that of the first one, or there is not enough memory.
        """
        height, width = image.shape[:2]
        if self.first is None:
            self.first = FirstImage(height, width, place)
        first = self.first
        if (height, width) != (first.height, first.width):
            raise InputError(
                f"`{self._source}` must hold images of one size, but {first.place} has "
                f"{first.height} x {first.width} pixels (height x width) and {place} has "
                f"{height} x {width}; pass `image_size` (`--image-size`) to resize and crop "
                f"them all"
            )
        if self._pixels is None:
            self._pixels = self._empty(1 if image.ndim == 2 else 3, height, width)
        if image.ndim == 3 and self._pixels.shape[1] == 1:
            self._pixels = np.repeat(self._pixels, 3, axis=1)
        self._pixels[self._row] = image if image.ndim == 2 else image.transpose(2, 0, 1)
        self._row += 1

    def tensor(self) -> Tensor:
        """All images, (N, C, H, W), uint8: C is 1 when all are grey, else 3."""
        assert self._row == self._count, f"{self._row} images came, {self._count} were announced"
        assert self._pixels is not None
        return torch.from_numpy(self._pixels)

    def _empty(self, channels: int, height: int, width: int) -> NDArray[np.uint8]:
        try:
            return np.empty((self._count, channels, height, width), dtype=np.uint8)
        except MemoryError as error:
            size = self._count * channels * height * width / 1e9
            raise InputError(
                f"`{self._source}` must fit into memory, but {self._count} images of {height} x "
                f"{width} pixels take {size:.1f} GB; pass a smaller `image_size` or `limit`"
            ) from error
