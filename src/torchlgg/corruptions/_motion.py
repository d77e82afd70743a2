"""The blur of a camera that moves in one direction.

Shapes: N images, C channels, H rows, W columns, T taps.
"""

from __future__ import annotations

import math

import numpy as np

from torchlgg.corruptions._constants import Row
from torchlgg.corruptions._levels import Bytes, Floats
from torchlgg.corruptions._streams import Streams


def motion_blur(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """A trail in a direction within 45 degrees of the horizontal."""
    radius, deviation = row
    return moved(images, angles=90 * streams.uniform() - 45, radius=radius, deviation=deviation)


def moved(images: Bytes, *, angles: Floats, radius: float, deviation: float) -> Bytes:
    """Each image with a one-sided trail, written out after ImageMagick's MotionBlur.

    Tap t = 0 ... 2 ceil(radius) weighs exp(-t^2 / 2 sd^2), normalised, and reads the pixel
    ceil(t cos a - 1/2) columns and ceil(t sin a - 1/2) rows further on; beyond the image its rim
    is repeated. The sum is rounded to 16 bits, in which ImageMagick computes, and then cut off
    to 8; so what is flat stays as it is.

    Args:
        images: (N, C, H, W).
        angles: (N,), in degrees.
        radius: in pixels.
        deviation: in pixels.
    """
    height, width = images.shape[2:]
    taps = np.arange(2 * math.ceil(radius) + 1)
    weights = np.exp(-(taps**2) / (2 * deviation**2))
    weights /= weights.sum()
    reach = len(taps) - 1
    turn = np.deg2rad(angles)[:, None]
    left_NT = reach + np.ceil(taps * np.cos(turn) - 0.5).astype(int)
    top_NT = reach + np.ceil(taps * np.sin(turn) - 0.5).astype(int)

    total = np.zeros(images.shape)
    part = np.empty(images.shape[1:])
    for image, sum_CHW, tops, lefts in zip(images, total, top_NT, left_NT, strict=True):
        framed = np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
        for weight, top, left in zip(weights, tops, lefts, strict=True):
            np.multiply(framed[:, top : top + height, left : left + width], weight, out=part)
            sum_CHW += part
    total *= 257
    total += 0.5
    return (total.astype(np.uint16) // 257).astype(np.uint8)
