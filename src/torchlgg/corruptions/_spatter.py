"""Drops of water or of mud on the lens.

The steps are those of the original; what it takes from OpenCV is written out in integers where
OpenCV computes so. One differs: the distance is the Euclidean one, not its approximation by a
5 x 5 mask, which is off by up to 2 %.

Shapes: N images, 3 channels, H rows, W columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchlgg.corruptions._constants import Row
from torchlgg.corruptions._levels import Bytes, truncated, unit
from torchlgg.corruptions._streams import Streams

_WATER = (175, 238, 238)
_MUD = (63, 42, 20)
_EMBOSS = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))
_LOW, _HIGH = 50, 150  # the thresholds of the edges
_FARTHEST = 20.0
_TANGENT = 13573  # of 22.5 degrees, times 2^15


def spatter(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """A smooth random layer; where it is thick there is a drop."""
    from scipy.ndimage import gaussian_filter

    mean, deviation, smooth, threshold, weight, mud = row
    layer = mean + deviation * streams.normal(*images.shape[2:])
    layer = gaussian_filter(layer, (0, smooth, smooth), mode="nearest", truncate=4)
    layer[layer < threshold] = 0
    x = unit(images).astype(np.float32)
    if mud:
        wet = (layer > threshold).astype(np.float32)
        wet = gaussian_filter(wet, (0, weight, weight), mode="nearest", truncate=4)
        wet[wet < 0.8] = 0
        return truncated(x * (1 - wet[:, None]) + _colour(_MUD) * wet[:, None])
    gloss = _gloss((np.minimum(layer, 1) * 255).astype(np.uint8))
    return truncated(x + np.float32(weight) * gloss[:, None] * _colour(_WATER))


def _colour(levels: tuple[int, int, int]) -> NDArray[np.float32]:
    colour: NDArray[np.float32] = (np.array(levels) / 255).astype(np.float32)
    return colour.reshape(3, 1, 1)


def _gloss(layer: Bytes) -> NDArray[np.float32]:
    """How bright the water is, from 0 to 1 in each image; 0 where there is no drop at all."""
    from scipy.ndimage import correlate, uniform_filter

    far = np.minimum(_distances(edges(layer)), _FARTHEST).astype(np.float32)
    near = _equalized(uniform_filter(far, (0, 3, 3), mode="mirror").astype(np.uint8))
    relief = correlate(near.astype(np.int64), np.array(_EMBOSS)[None], mode="mirror").clip(0, 255)
    sums = correlate(relief, np.ones((1, 3, 3), dtype=np.int64), mode="mirror")
    gloss = layer * np.rint(sums / 9).astype(np.float32)
    largest = gloss.max(axis=(1, 2), keepdims=True)
    shine: NDArray[np.float32] = gloss / np.where(largest > 0, largest, np.float32(1))
    return shine


def edges(layer: Bytes) -> NDArray[np.bool_]:
    """Canny's edges of (N, H, W): maxima of |dx| + |dy| across them, linked above two levels."""
    from scipy.ndimage import correlate1d, label

    signed = layer.astype(np.int64)
    dx, dy = (
        correlate1d(
            correlate1d(signed, [1, 2, 1], axis=along, mode="nearest"),
            [-1, 0, 1],
            axis=across,
            mode="nearest",
        )
        for along, across in ((1, 2), (2, 1))
    )
    size = np.abs(dx) + np.abs(dy)
    framed = np.pad(size, ((0, 0), (1, 1), (1, 1)))
    height, width = layer.shape[1:]

    def beside(down: int, right: int) -> NDArray[np.int64]:
        return framed[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]

    flat = np.abs(dx) * _TANGENT
    steep = flat + (np.abs(dx) << 16)
    upright = np.abs(dy) << 15
    rising = (size > np.where((dx ^ dy) < 0, beside(-1, 1), beside(-1, -1))) & (
        size > np.where((dx ^ dy) < 0, beside(1, -1), beside(1, 1))
    )
    maximum = np.select(
        [upright < flat, upright > steep],
        [
            (size > beside(0, -1)) & (size >= beside(0, 1)),
            (size > beside(-1, 0)) & (size >= beside(1, 0)),
        ],
        default=rising,
    )
    weak = maximum & (size > _LOW)
    within_an_image = np.zeros((3, 3, 3), dtype=bool)
    within_an_image[1] = True
    pieces, count = label(weak, structure=within_an_image)
    kept = np.zeros(count + 1, dtype=bool)
    kept[pieces[weak & (size > _HIGH)]] = True
    linked: NDArray[np.bool_] = kept[pieces]
    return linked


def _distances(marked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """To the nearest marked pixel of the same image; far away where none is marked."""
    from scipy.ndimage import distance_transform_edt

    if not marked.any():
        return np.full(marked.shape, _FARTHEST)
    far: NDArray[np.float64] = distance_transform_edt(~marked, sampling=(1e6, 1, 1))
    return far


def _equalized(layer: Bytes) -> Bytes:
    """Levels so that their distribution function is linear from the smallest that occurs."""
    count, height, width = layer.shape
    place = layer.reshape(count, -1) + 256 * np.arange(count)[:, None]
    histogram = np.bincount(place.ravel(), minlength=256 * count).reshape(count, 256)
    up_to = histogram.cumsum(axis=1)
    smallest = layer.min(axis=(1, 2))
    first = histogram[np.arange(count), smallest][:, None]
    rest = height * width - first
    table = np.rint((up_to - first) * (255 / np.where(rest > 0, rest, 1)))
    table = np.where(rest > 0, table, smallest[:, None]).clip(0, 255)
    levels: Bytes = table.astype(np.uint8).ravel()[place].reshape(layer.shape)
    return levels
