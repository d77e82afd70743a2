"""Ice on the lens: of photographs, or of a texture that only looks a little like them.

Shapes: N images, 3 channels, H rows, W columns.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from torchlgg.core import InputError, cannot
from torchlgg.corruptions._constants import FROST_STEP, Constants, Row
from torchlgg.corruptions._levels import Bytes
from torchlgg.corruptions._names import NUMBERED, SYNTHETIC
from torchlgg.corruptions._streams import Streams
from torchlgg.corruptions._weather import plasma, power_of_two

_SUFFIXES = (".png", ".jpg", ".jpeg")
_USED = 5
_ICE = (200, 225, 240)


def frost(images: Bytes, row: Row, streams: Streams, *, photographs: list[Bytes]) -> Bytes:
    """A weighted sum of the image and a random part of a random photograph.

    Args:
        images: (N, 3, H, W).
        row: weight of the image, weight of the photograph.
        streams: of the images.
        photographs: (rows, columns, 3) each, larger than the images.
    """
    weight, amount = row
    height, width = images.shape[2:]
    drawn_N3 = streams.uniform(3)
    ice = np.empty(images.shape)
    for part, (which, down, right) in zip(ice, drawn_N3, strict=True):
        photograph = photographs[int(which * len(photographs))]
        top = int(down * (photograph.shape[0] - height))
        left = int(right * (photograph.shape[1] - width))
        part[:] = photograph[top : top + height, left : left + width].transpose(2, 0, 1)
    return np.clip(weight * images + amount * ice, 0, 255).astype(np.uint8)


def frost_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The first five images of a folder by name: the original never draws its sixth."""
    place = Path(folder)
    try:
        found = sorted(
            path
            for path in place.iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
        )
    except OSError as error:
        raise cannot("read", place, error) from error
    if not found:
        raise InputError(
            f"`frost_images` must be a folder with photographs of frost (.png, .jpg), but "
            f"{str(place)!r} holds none; for a texture in their place ask for 'frost_synthetic'"
        )
    return found[:_USED]


def frost_fingerprint(folder: str | os.PathLike[str]) -> dict[str, str]:
    """SHA-256 of the files that are used, by name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in frost_files(folder)
    }


def read_photographs(
    folder: str | os.PathLike[str], *, constants: Constants, height: int, width: int
) -> list[Bytes]:
    """The photographs, made smaller where the benchmark does so.

    The original shrinks them to a fifth with OpenCV's linear filter, whose sampling places are then
    the middles of 5 x 5 pixels: it takes every fifth pixel and mixes none.

    Args:
        folder: where they are.
        constants: whose size.
        height: of the images.
        width: of the images.
    """
    from PIL import Image, UnidentifiedImageError

    step = FROST_STEP[constants]
    photographs = []
    for path in frost_files(folder):
        try:
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
        except (OSError, UnidentifiedImageError) as error:
            raise InputError(
                f"`frost_images` holds {path.name!r}, which cannot be read as an image; remove it "
                "or save it again"
            ) from error
        rows, columns = (
            np.minimum(np.arange(round(size / step)) * step + step // 2, size - 1)
            for size in pixels.shape[:2]
        )
        small = pixels[rows[:, None], columns]
        if small.shape[0] <= height or small.shape[1] <= width:
            raise InputError(
                f"`frost_images` must hold photographs larger than {step * height} x "
                f"{step * width} for images of {height} x {width}, but {path.name!r} is "
                f"{pixels.shape[0]} x {pixels.shape[1]}"
            )
        photographs.append(small)
    return photographs


def synthetic_photographs(*, height: int, width: int) -> list[Bytes]:
    """Five textures of pale blue veins on a grey ground, always the same of one size."""
    side = 2 * power_of_two(max(height, width))
    streams = Streams(
        seed=0, indices=range(_USED), corruption=NUMBERED.index(SYNTHETIC[0]), severity=0
    )
    veins = 1 - np.abs(2 * plasma(side, 2.0, streams) - 1)
    grain = plasma(side, 1.5, streams)
    level = np.clip(0.15 + 0.75 * veins**3 + 0.3 * (grain - 0.5), 0, 1)
    return list((level[..., None] * np.array(_ICE)).astype(np.uint8))
