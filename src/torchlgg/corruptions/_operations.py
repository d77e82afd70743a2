"""From a name and a severity to what changes a batch, checked before the first pixel.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from torchlgg.core import InputError, row_tiles
from torchlgg.corruptions._blur import defocus_blur, gaussian_blur, glass_blur
from torchlgg.corruptions._colour import brightness, contrast, saturate
from torchlgg.corruptions._constants import Constants, Row, constants_of
from torchlgg.corruptions._elastic import elastic_transform, smallest_side
from torchlgg.corruptions._frost import frost, read_photographs, synthetic_photographs
from torchlgg.corruptions._levels import Bytes, luma
from torchlgg.corruptions._motion import motion_blur
from torchlgg.corruptions._names import NUMBERED
from torchlgg.corruptions._noise import gaussian_noise, impulse_noise, shot_noise, speckle_noise
from torchlgg.corruptions._pillow import jpeg_compression, pixelate
from torchlgg.corruptions._spatter import spatter
from torchlgg.corruptions._streams import Streams
from torchlgg.corruptions._weather import fog, snow
from torchlgg.corruptions._zoom import zoom_blur

Operation = Callable[[Bytes, Row, Streams], Bytes]

_OPERATIONS: dict[str, Operation] = {
    "gaussian_noise": gaussian_noise,
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "defocus_blur": defocus_blur,
    "glass_blur": glass_blur,
    "motion_blur": motion_blur,
    "zoom_blur": zoom_blur,
    "snow": snow,
    "fog": fog,
    "brightness": brightness,
    "contrast": contrast,
    "elastic_transform": elastic_transform,
    "pixelate": pixelate,
    "jpeg_compression": jpeg_compression,
    "speckle_noise": speckle_noise,
    "gaussian_blur": gaussian_blur,
    "spatter": spatter,
    "saturate": saturate,
}
# defined on three channels: a grey image gets three equal ones, and the result's luma
_IN_COLOUR = frozenset({"brightness", "saturate", "snow", "frost", "frost_synthetic", "spatter"})

_SMALLEST = {"cifar": 8, "imagenet": 64}
_TILE_BYTES = 2**26
_COPIES = 12  # how many float64 copies of an image the hungriest corruption holds at once

Corruption = Callable[[Bytes, Sequence[int]], Bytes]


def corruption(
    name: str,
    severity: int,
    *,
    shape: tuple[int, int, int],
    seed: int,
    constants: Constants,
    frost_images: str | os.PathLike[str] | None,
) -> Corruption:
    """What corrupts (n, C, H, W) pixels with the numbers of their images, tile by tile.

    Args:
        name: checked.
        severity: checked.
        shape: (C, H, W).
        seed: checked.
        constants: checked.
        frost_images: a folder, for ``"frost"``.
    """
    channels, height, width = shape
    row = constants_of(name, severity, constants)
    _check_size(name, row, height=height, width=width, constants=constants)
    if name == "frost":
        if frost_images is None:
            raise InputError(
                "`frost_images` must name a folder with photographs for 'frost', got None; without "
                "any ask for 'frost_synthetic', which is no part of a mean that others publish"
            )
        photographs = read_photographs(
            frost_images, constants=constants, height=height, width=width
        )
        operation: Operation = partial(frost, photographs=photographs)
    elif name == "frost_synthetic":
        operation = partial(frost, photographs=synthetic_photographs(height=height, width=width))
    else:
        operation = _OPERATIONS[name]
    number = NUMBERED.index(name)
    as_colour = channels == 1 and name in _IN_COLOUR

    def change(pixels: Bytes, indices: Sequence[int]) -> Bytes:
        changed = np.empty_like(pixels)
        cost = _COPIES * 8 * height * width * (3 if as_colour else channels)
        for tile in row_tiles(len(pixels), cost, _TILE_BYTES) if len(pixels) else ():
            streams = Streams(
                seed=seed, indices=indices[tile], corruption=number, severity=severity
            )
            part = np.ascontiguousarray(pixels[tile])
            if as_colour:
                part = np.repeat(part, 3, axis=1)
            result = operation(part, row, streams)
            changed[tile] = luma(result) if as_colour else result
        return changed

    return change


def _check_size(name: str, row: Row, *, height: int, width: int, constants: Constants) -> None:
    smallest = _SMALLEST[constants]
    if min(height, width) < smallest:
        advice = "" if constants == "cifar" else '; take constants="cifar"'
        raise InputError(
            f"`images` must have at least {smallest} rows and columns for the {constants} "
            f"constants, got {height} x {width}{advice}"
        )
    if name == "elastic_transform" and constants == "cifar":
        smallest = smallest_side(row[2])
        if min(height, width) < smallest:
            raise InputError(
                f"`images` must have at least {smallest} rows and columns for "
                f"'elastic_transform' at this severity, whose shifts of {row[2]:g} pixels would "
                f"fold smaller ones, got {height} x {width}"
            )
