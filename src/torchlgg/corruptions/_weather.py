"""Snow and fog.

Shapes: N images, 3 channels (fog: any number), H rows, W columns, M = side of the fog's map.
"""

from __future__ import annotations

import numpy as np

from torchlgg.corruptions._constants import Row
from torchlgg.corruptions._levels import Bytes, Floats, truncated, unit
from torchlgg.corruptions._motion import moved
from torchlgg.corruptions._streams import Streams
from torchlgg.corruptions._zoom import clipped_zoom


def snow(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """A paler image under two layers of falling flakes, one of them turned by 180 degrees."""
    mean, deviation, zoom, threshold, radius, trail, mix = row
    flakes_NHW = clipped_zoom(mean + deviation * streams.normal(*images.shape[2:]), zoom)
    flakes_NHW[flakes_NHW < threshold] = 0
    flakes = truncated(flakes_NHW)[:, None]
    angles = 90 * streams.uniform() - 135
    layer = unit(moved(flakes, angles=angles, radius=radius, deviation=trail))

    x = unit(images).astype(np.float32)
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32).reshape(3, 1, 1)
    grey = (x * weights).sum(axis=1, keepdims=True)
    x = np.float32(mix) * x + np.float32(1 - mix) * np.maximum(x, grey * 1.5 + 0.5)
    return truncated(x + layer + layer[:, :, ::-1, ::-1])


def fog(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """A cloud added, and all made darker so that the brightest level stays in range."""
    strength, decay = row
    height, width = images.shape[2:]
    x = unit(images)
    brightest = x.max(axis=(1, 2, 3), keepdims=True)
    side = power_of_two(max(height, width))
    x += strength * plasma(side, decay, streams)[:, None, :height, :width]
    return truncated(x * brightest / (brightest + strength))


def power_of_two(size: int) -> int:
    """The smallest power of two that is at least ``size``."""
    return 1 << (size - 1).bit_length()


def plasma(side: int, decay: float, streams: Streams) -> Floats:
    """(N, M, M) clouds from 0 to 1 by the diamond-square algorithm; they repeat at their ends.

    A middle is the mean of its four neighbours plus s^2 U(-1, 1); s begins at 100 and is divided
    by ``decay`` whenever the distance halves.
    """
    noise = 2 * streams.uniform(side * side - 1) - 1
    used = 0
    cloud = np.zeros((len(noise), side, side))
    step, scale = side, 100.0

    def middle(sums: Floats) -> Floats:
        nonlocal used
        drawn = noise[:, used : used + sums[0].size].reshape(sums.shape)
        used += sums[0].size
        return sums / 4 + scale * scale * drawn

    while step >= 2:
        half = step // 2
        corners = cloud[:, ::step, ::step]
        sums = corners + np.roll(corners, -1, axis=1)
        sums = sums + np.roll(sums, -1, axis=2)
        cloud[:, half::step, half::step] = middle(sums)
        centers = cloud[:, half::step, half::step]
        above_and_below = centers + np.roll(centers, 1, axis=1)
        cloud[:, ::step, half::step] = middle(
            above_and_below + corners + np.roll(corners, -1, axis=2)
        )
        left_and_right = centers + np.roll(centers, 1, axis=2)
        cloud[:, half::step, ::step] = middle(
            left_and_right + corners + np.roll(corners, -1, axis=1)
        )
        step, scale = half, scale / decay
    cloud -= cloud.min(axis=(1, 2), keepdims=True)
    cloud /= cloud.max(axis=(1, 2), keepdims=True)
    return cloud
