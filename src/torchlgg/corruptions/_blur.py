"""Blurs by a kernel or by moving pixels.

Shapes: N images, C channels, H rows, W columns, P = H W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchlgg.corruptions._constants import Row
from torchlgg.corruptions._levels import Bytes, Floats, truncated, unit
from torchlgg.corruptions._streams import Streams


def gaussian_blur(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """A Gaussian kernel, cut off at 4 deviations; the rim is repeated."""
    (deviation,) = row
    return truncated(_smoothed(unit(images), deviation))


def defocus_blur(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """A disc whose rim is smoothed; beyond the image it is mirrored about its last pixels."""
    from scipy.ndimage import correlate

    radius, smooth = row
    kernel = disc(radius, smooth).astype(np.float64)
    return truncated(correlate(unit(images), kernel[None, None], mode="mirror"))


def disc(radius: float, smooth: float) -> NDArray[np.float32]:
    """The kernel of `defocus_blur`, in float32 as the original's."""
    from scipy.ndimage import correlate1d

    reach, taps = (8, 1) if radius <= 8 else (int(radius), 2)
    place = np.arange(-reach, reach + 1)
    kernel = (place**2 + place[:, None] ** 2 <= radius**2).astype(np.float32)
    kernel /= kernel.sum()
    weights = np.exp(-(np.arange(-taps, taps + 1) ** 2) / (2 * smooth**2))
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (1, 0):
        kernel = correlate1d(kernel, weights, axis=axis, mode="mirror")
    return kernel


def glass_blur(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """A blur, pixels that take the place of their neighbours, and the same blur again.

    The original goes through the rows and columns from their ends and means to swap a pixel with a
    random neighbour, but its two assignments through views only copy: the pixel becomes its
    neighbour, which stays. So it is here.
    """
    deviation, reach, repetitions = row[0], int(row[1]), int(row[2])
    count, channels, height, width = images.shape
    x_NCP = truncated(_smoothed(unit(images), deviation)).reshape(count, channels, -1)
    for _ in range(repetitions):
        source_NP = _copied_from(height, width, reach, streams)
        x_NCP = np.take_along_axis(x_NCP, source_NP[:, None], axis=2)
    return truncated(_smoothed(unit(x_NCP.reshape(images.shape)), deviation))


def _copied_from(height: int, width: int, reach: int, streams: Streams) -> NDArray[np.int64]:
    """(N, P): the pixel, as it was before, that each pixel is a copy of.

    A pixel copies a neighbour up to ``reach`` pixels before it or ``reach`` - 1 after it. One that
    comes later in the order of the original is still as it was. One that had its turn earlier is
    a copy itself: its pointer is followed, and twice as far in each round.
    """
    rows = np.arange(reach + 1, height - reach + 1)
    columns = np.arange(reach + 1, width - reach + 1)
    shift_N2YX = np.floor(streams.uniform(2, len(rows), len(columns)) * 2 * reach).astype(int)
    shift_N2YX -= reach
    own_YX = rows[:, None] * width + columns
    from_NYX = (rows[:, None] + shift_N2YX[:, 1]) * width + columns + shift_N2YX[:, 0]

    pixels = height * width
    had_its_turn = np.zeros(pixels, dtype=bool)
    had_its_turn[own_YX] = True
    is_copy_NYX = had_its_turn[from_NYX] & (from_NYX > own_YX)
    # 0 ... P - 1 mean a pixel after its turn, P ... 2 P - 1 the same pixel before it
    pointer_NP = np.tile(np.arange(pixels, 2 * pixels), (len(from_NYX), 1))
    pointer_NP[:, own_YX] = np.where(is_copy_NYX, from_NYX, from_NYX + pixels)
    while (open_NP := pointer_NP < pixels).any():
        image, place = np.nonzero(open_NP)
        pointer_NP[image, place] = pointer_NP[image, pointer_NP[image, place]]
    return pointer_NP - pixels


def _smoothed(x: Floats, deviation: float) -> Floats:
    from scipy.ndimage import gaussian_filter

    smooth: Floats = gaussian_filter(x, (0, 0, deviation, deviation), mode="nearest", truncate=4)
    return smooth
