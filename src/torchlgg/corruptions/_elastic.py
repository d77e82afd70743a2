"""A random affine map, then small displacements that are smooth in space.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchlgg.corruptions._constants import Row
from torchlgg.corruptions._levels import Bytes, Floats, truncated, unit
from torchlgg.corruptions._streams import Streams

_FARTHEST = 1e6  # pixels; where a map is nearly singular


def elastic_transform(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """Three corners of a square moved by up to ``reach``, and every pixel by smooth noise."""
    from scipy.ndimage import gaussian_filter

    amplitude, deviation, reach = row
    height, width = images.shape[2:]
    x = unit(images).astype(np.float32)
    x = _bilinear(x, *_affine(height, width, reach, streams), _mirrored).astype(np.float32)

    noise_N2HW = 2 * streams.uniform(2, height, width) - 1
    smooth = gaussian_filter(noise_N2HW, (0, 0, deviation, deviation), mode="reflect", truncate=3)
    moved_N2HW = (smooth * amplitude).astype(np.float32)
    down_NHW = np.arange(height)[:, None] + moved_N2HW[:, 1]
    right_NHW = np.arange(width) + moved_N2HW[:, 0]
    return truncated(_bilinear(x, down_NHW, right_NHW, _reflected).astype(np.float32))


def smallest_side(reach: float) -> int:
    """The side below which the three corners, moved by ``reach``, can come to lie in one line.

    They form a right angle with legs of twice a third of the side, q; moved by up to ``reach`` in
    both directions they stay in general position where q > 2 ``reach``.
    """
    return 3 * (int(2 * reach) + 1)


def _affine(height: int, width: int, reach: float, streams: Streams) -> tuple[Floats, Floats]:
    """Where each pixel comes from, (N, H, W) rows and columns, in steps of 1/32 pixel.

    OpenCV's warpAffine rounds so; the matrix and its inverse are in double precision.
    """
    # The original takes (H, W) for the centre's (x, y); the same for a square.
    center = np.array([height, width]) // 2
    third = min(height, width) // 3
    corners = center + third * np.array([[1, 1], [1, -1], [-1, -1]])
    shift = (2 * reach * streams.uniform(3, 2) - reach).astype(np.float32)
    moved = (corners.astype(np.float32) + shift).astype(np.float64)

    # The two legs, before and after: M = moved legs / (2 third), as the legs lie along the axes.
    across = (moved[:, 1] - moved[:, 2]) / (2 * third)
    down = (moved[:, 0] - moved[:, 1]) / (2 * third)
    matrix = np.stack([across, down], axis=2)
    origin = moved[:, 1] - across * corners[1, 0] - down * corners[1, 1]
    determinant = matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]
    scale = np.where(determinant == 0, 0, 1 / np.where(determinant == 0, 1, determinant))
    adjugate = np.stack(
        [matrix[:, 1, 1], -matrix[:, 0, 1], -matrix[:, 1, 0], matrix[:, 0, 0]], axis=1
    )
    inverse = (adjugate * scale[:, None]).reshape(-1, 2, 2)
    back = -(inverse * origin[:, None]).sum(axis=2)

    x, y = np.arange(width), np.arange(height)[:, None]

    def rounded(part: int) -> Floats:
        along = inverse[:, part, 0, None, None] * x
        offset = inverse[:, part, 1, None, None] * y + back[:, part, None, None]
        along, offset = (np.clip(term, -_FARTHEST, _FARTHEST) for term in (along, offset))
        steps = (np.rint(along * 1024) + np.rint(offset * 1024) + 16).astype(np.int64) >> 5
        return steps / 32

    return rounded(1), rounded(0)


def _bilinear(
    x: NDArray[np.floating[Any]], down_NHW: Floats, right_NHW: Floats, inside: Any
) -> Floats:
    """(N, C, H, W) read at fractional places; ``inside`` brings a place outside back."""
    count, channels, height, width = x.shape
    top, left = np.floor(down_NHW), np.floor(right_NHW)
    lower, later = (down_NHW - top)[:, None], (right_NHW - left)[:, None]
    rows = [inside(top.astype(np.int64) + step, height) for step in (0, 1)]
    columns = [inside(left.astype(np.int64) + step, width) for step in (0, 1)]
    flat = x.reshape(count, channels, -1)

    def read(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        place = (row * width + column).reshape(count, 1, -1)
        return np.take_along_axis(flat, place, axis=2).reshape(x.shape)

    above = read(rows[0], columns[0]) * (1 - later) + read(rows[0], columns[1]) * later
    below = read(rows[1], columns[0]) * (1 - later) + read(rows[1], columns[1]) * later
    return above * (1 - lower) + below * lower


def _mirrored(place: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Mirrored about the last pixel: 2 1 | 0 1 2 | 1 0."""
    place = place % (2 * size - 2)
    return np.minimum(place, 2 * size - 2 - place)


def _reflected(place: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Mirrored about the edge: 1 0 | 0 1 2 | 2 1."""
    place = place % (2 * size)
    return np.minimum(place, 2 * size - 1 - place)
