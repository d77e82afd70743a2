"""Noise in every value of every channel.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchlgg.corruptions._constants import Row
from torchlgg.corruptions._levels import Bytes, truncated, unit
from torchlgg.corruptions._streams import Streams

_DEVIATIONS = 9  # beyond it the probability is smaller than the step of a draw


def gaussian_noise(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """The image plus N(0, sd)."""
    (deviation,) = row
    return truncated(unit(images) + deviation * streams.normal(*images.shape[1:]))


def speckle_noise(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """The image plus itself times N(0, sd)."""
    (deviation,) = row
    x = unit(images)
    return truncated(x + x * (deviation * streams.normal(*images.shape[1:])))


def impulse_noise(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """0 with probability p / 2 and 255 with probability p / 2, each value for itself."""
    (probability,) = row
    drawn = streams.uniform(*images.shape[1:])
    noisy = truncated(unit(images))
    noisy[drawn < probability / 2] = 0
    noisy[drawn > 1 - probability / 2] = 255
    return noisy


def shot_noise(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """Poisson(c x) / c.

    There are 256 such distributions, so each draw u looks up the first k with cdf(k) >= u. The
    tables lie behind each other in one rising array, that of pixel value v moved up by v.
    """
    (photons,) = row
    cdf, first, begins = _poisson_tables(photons)
    drawn = streams.uniform(*images.shape[1:])
    drawn += images
    found = np.searchsorted(cdf, drawn)
    # a draw so near to 1 that the sum rounds up to the next table stays at the end of its own
    found = np.minimum(found, begins[1:][images] - 1)
    counts = found - begins[images] + first[images]
    return truncated(counts / photons)


def _poisson_tables(
    photons: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Distribution functions plus v, their first k, and where each of them begins."""
    from scipy.special import pdtr

    tables, first = [], []
    for value in range(256):
        mean = value / 255 * photons
        spread = _DEVIATIONS * mean**0.5
        low, high = max(0, int(mean - spread)), int(mean + spread) + 30
        tables.append(value + pdtr(np.arange(low, high), mean))
        first.append(low)
    begins = np.cumsum([0, *map(len, tables)])
    return np.concatenate(tables), np.array(first), begins
