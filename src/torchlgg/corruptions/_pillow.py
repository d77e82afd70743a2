"""The two corruptions that Pillow computes, image by image.

Shapes: N images, C channels (1 or 3), H rows, W columns.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from torchlgg.corruptions._constants import Row
from torchlgg.corruptions._levels import Bytes
from torchlgg.corruptions._streams import Streams

if TYPE_CHECKING:
    from PIL.Image import Image


def pixelate(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """Means over boxes down to a smaller size, and the same filter up again."""
    from PIL.Image import Resampling

    (share,) = row
    height, width = images.shape[2:]

    def coarse(picture: Image) -> Image:
        small = picture.resize((int(width * share), int(height * share)), Resampling.BOX)
        return small.resize((width, height), Resampling.BOX)

    return _each(images, coarse)


def jpeg_compression(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """Written as JPEG with Pillow's usual settings, and read again."""
    from PIL.Image import open as open_picture

    quality = int(row[0])

    def compressed(picture: Image) -> Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return open_picture(file)

    return _each(images, compressed)


def _each(images: Bytes, change: Callable[[Image], Image]) -> Bytes:
    from PIL.Image import fromarray

    changed = np.empty_like(images)
    for pixels, target in zip(images, changed, strict=True):
        picture = fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0).squeeze()))
        target[:] = np.atleast_3d(np.asarray(change(picture))).transpose(2, 0, 1)
    return changed
