"""Enlarging about the centre, and the blur of a zoom during the exposure.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchlgg.corruptions._constants import Row
from torchlgg.corruptions._levels import Bytes, Floats, truncated, unit
from torchlgg.corruptions._streams import Streams


def zoom_blur(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """The mean of the image and of its enlargements, summed in float32 as in the original."""
    end, step = row
    x = unit(images).astype(np.float32)
    factors = np.arange(1, end, step)
    total = np.zeros_like(x)
    for factor in factors:
        total += clipped_zoom(x, float(factor)).astype(np.float32)
    return truncated((x + total) / np.float32(len(factors) + 1))


def clipped_zoom(x: NDArray[np.floating[Any]], factor: float) -> Floats:
    """The middle of (..., H, W), enlarged to the whole by linear interpolation."""
    enlarged: Floats = x.astype(np.float64, copy=False)
    for axis in (x.ndim - 2, x.ndim - 1):
        near, far, weight = _samples(x.shape[axis], factor)
        weight = weight.reshape(-1, *[1] * (x.ndim - 1 - axis))
        one, other = enlarged.take(near, axis), enlarged.take(far, axis)
        one *= 1 - weight
        other *= weight
        one += other
        enlarged = one
    return enlarged


def _samples(size: int, factor: float) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """For each pixel of the result the two of the source that it lies between, and how far.

    The ceil(size / factor) pixels in the middle become round(factor times that) pixels whose first
    and last lie on theirs, as `scipy.ndimage.zoom` has it; of those the middle ones are kept.
    """
    part = math.ceil(size / factor)
    grown = round(part * factor)
    kept = np.arange(size, dtype=np.int64) + (grown - size) // 2
    place: Floats = kept.astype(np.float64) * ((part - 1) / (grown - 1))
    near = np.minimum(place.astype(np.int64), part - 1)
    far = np.minimum(near + 1, part - 1)
    top = (size - part) // 2
    return top + near, top + far, place - near
