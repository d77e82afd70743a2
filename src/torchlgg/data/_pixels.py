"""Stored images to pixels: decoded once, in parallel, into one tensor of one size.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from torchlgg.core import InputError
from torchlgg.data._pixel_store import FirstImage, PixelStore

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK = 512  # images decoded between two reports of progress; bounds what waits to be stored
_PIECE = 16  # images a thread takes at once: small pictures decode faster than threads hand over
THREADS = min(8, os.cpu_count() or 1)
_GREY = ("L", "1", "LA", "La")  # and those of 16 bits
_ORIENTATION = 0x0112  # the EXIF tag
_TURNED = (5, 6, 7, 8)  # its values that swap height and width


class StoredImage(NamedTuple):
    """One image as it is stored: its bytes or its file, and how a message names the place."""

    content: bytes | Path
    place: str


class Header(NamedTuple):
    """The size of an image that is upright, and whether it is grey."""

    height: int
    width: int
    grey: bool


class PixelReader:
    """Decodes the images of all splits and sees that they have one size.

    Pillow reads the files (WebP, PNG, JPEG and what else it knows; of an animation the first
    frame), turned upright as their EXIF orientation says. The result has one channel if every
    image of the call is grey, three (RGB) otherwise: palettes are looked up, transparency is
    dropped, 16-bit grey keeps its high byte.

    Args:
        image_size: None keeps the size and requires that all agree; a number resizes each image
            so that its shorter side has this many pixels (bilinear, with antialiasing) and cuts
            out the square in the centre.
        total: how many images there are in all splits together, for ``progress``.
        progress: called now and then with the number of images done and ``total``.
    """

    def __init__(
        self,
        *,
        image_size: int | None,
        total: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._image_size = image_size
        self._total = total
        self._progress = progress
        self._done = 0
        self._first: FirstImage | None = None

    def read(self, stored: Iterable[StoredImage], count: int) -> Tensor:
        """The pixels of one split.

        Args:
            stored: N images, taken one chunk at a time.
            count: N, known beforehand so that the tensor is made once.

        Returns:
            (N, C, H, W), uint8, C either 1 or 3.

        Raises:
            InputError: when an image does not decode, its size differs from the first one's, or
                there is not enough memory for all of them.
        """
        store = PixelStore(count, first=self._first)
        remaining = iter(stored)
        with ThreadPoolExecutor(THREADS) as pool:
            while chunk := list(islice(remaining, CHUNK)):
                pieces = [chunk[start : start + _PIECE] for start in range(0, len(chunk), _PIECE)]
                decoded = chain.from_iterable(pool.map(self._decode_piece, pieces))
                for item, image in zip(chunk, decoded, strict=True):
                    store.add(image, item.place)
                self._done += len(chunk)
                if self._progress is not None:
                    self._progress(self._done, self._total)
        self._first = store.first
        return store.tensor()

    def _decode_piece(self, piece: list[StoredImage]) -> list[NDArray[np.uint8]]:
        return [decode_image(item, image_size=self._image_size) for item in piece]


def decode_image(stored: StoredImage, *, image_size: int | None) -> NDArray[np.uint8]:
    """One image as an array, grey or RGB, upright, and resized if asked for.

    Args:
        stored: the bytes or the file, and the name of the place for messages.
        image_size: see `PixelReader`.

    Returns:
        (H, W) when the image is grey, (H, W, 3) when it has colours or a palette.

    Raises:
        InputError: when the content is no image, is damaged, or has pixels of 32 bits.
    """
    from PIL import Image, ImageOps

    file = io.BytesIO(stored.content) if isinstance(stored.content, bytes) else stored.content
    with _decoding(stored.place), Image.open(file) as image:
        ImageOps.exif_transpose(image, in_place=True)
        return as_array(image, image_size=image_size, place=stored.place)


def read_header(path: Path) -> Header:
    """What an image file says of itself before its pixels are decoded.

    Args:
        path: the file.

    Returns:
        Its height and width, once it is upright, and whether `decode_image` makes it grey.

    Raises:
        InputError: when the content is no image.
    """
    from PIL import Image

    with _decoding(str(path)), Image.open(path) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION) in _TURNED:
            width, height = height, width
        return Header(height, width, image.mode in _GREY or image.mode.startswith("I;16"))


def as_array(
    image: Image, *, image_size: int | None, place: str, source: str = "source"
) -> NDArray[np.uint8]:
    """An opened image as an array, grey or RGB, and resized if asked for.

    Args:
        image: of any mode; not turned.
        image_size: see `PixelReader`.
        place: the name of the place for messages.
        source: the argument that the image came by, for messages.

    Returns:
        (H, W) when the image is grey, (H, W, 3) when it has colours or a palette.

    Raises:
        InputError: when it has pixels of 32 bits.
    """
    plain = _grey_or_rgb(image, place, source)
    if image_size is not None:
        plain = resize_and_crop(plain, image_size)
    return np.asarray(plain)


@contextmanager
def _decoding(place: str) -> Iterator[None]:
    from PIL import UnidentifiedImageError

    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(
            f"`source`: {place} does not decode: its content is no image format that Pillow "
            f"knows; replace or remove it"
        ) from error
    except Exception as error:  # damaged files make the decoders raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"`source`: {place} does not decode: {reason}; replace or remove it"
        ) from error


def resize_and_crop(image: Image, size: int) -> Image:
    """The central square of an image whose shorter side was resized to ``size`` pixels.

    Args:
        image: any size.
        size: pixels of a side of the result.

    Returns:
        A ``size`` x ``size`` image of the same mode; bilinear, with antialiasing.
    """
    from PIL.Image import Resampling

    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


def _grey_or_rgb(image: Image, place: str, source: str) -> Image:
    from PIL.Image import fromarray

    if image.mode in ("L", "RGB"):
        return image
    if image.mode in _GREY:
        return image.convert("L")
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would clip at 255, which makes nearly every pixel white.
        return fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise InputError(
            f"`{source}`: {place} has pixels of 32 bits (mode {image.mode}), whose range is "
            f"unknown; save it with 8 bits a channel"
        )
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # the way to RGB on which no transparency is misread
    return image.convert("RGB")
