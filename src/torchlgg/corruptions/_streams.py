"""Random numbers that belong to an image, not to the order in which images are asked for.

Shapes: N images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Streams:
    """One counter-based generator an image, keyed by seed, image, corruption and severity.

    The draws are made of the raw 64-bit words of Philox, whose values numpy promises to keep; of
    its distributions it does not.

    Args:
        seed: from 0 to 2^64 - 1.
        indices: one number an image, from 0 to 2^48 - 1.
        corruption: its number, from 0 to 255.
        severity: from 0 to 255.
    """

    def __init__(
        self, *, seed: int, indices: Sequence[int], corruption: int, severity: int
    ) -> None:
        self._seed = seed
        self._words = [index << 16 | corruption << 8 | severity for index in indices]
        self._generators: list[np.random.Philox] | None = None

    def uniform(self, *shape: int) -> NDArray[np.float64]:
        """(N, *shape) draws from (0, 1), never an end of it; the next ones at each call."""
        if self._generators is None:
            self._generators = [
                np.random.Philox(key=np.array([self._seed, word], dtype=np.uint64))
                for word in self._words
            ]
        raw = np.empty((len(self._generators), math.prod(shape)), dtype=np.uint64)
        for row, generator in zip(raw, self._generators, strict=True):
            row[:] = generator.random_raw(len(row))
        raw >>= np.uint64(12)
        drawn = raw.astype(np.float64)
        drawn += 0.5
        drawn *= 2.0**-52
        return drawn.reshape(-1, *shape)

    def normal(self, *shape: int) -> NDArray[np.float64]:
        """(N, *shape) draws from the standard normal distribution, by its inverse."""
        from scipy.special import ndtri

        drawn = self.uniform(*shape)
        normal: NDArray[np.float64] = ndtri(drawn, out=drawn)
        return normal
