"""Pixels that are stored as they are, resized if asked for by the same code as decoded images.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchlgg.data._parts import Part, Parts, train_name
from torchlgg.data._pixels import CHUNK, THREADS, resize_and_crop
from torchlgg.data._sampling import random_sample


class ArrayReader:
    """Turns arrays of pixels into tensors, and resizes them.

    Args:
        image_size: None keeps the size; a number resizes as `PixelReader` does.
        total: how many images there are in all splits together, for ``progress``.
        progress: called now and then with the number of images done and ``total``.
    """

    def __init__(
        self,
        *,
        image_size: int | None,
        total: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._image_size = image_size
        self._total = total
        self._progress = progress
        self._done = 0

    def read(self, images: NDArray[np.uint8]) -> Tensor:
        """The pixels of one split.

        Args:
            images: (N, C, H, W), C either 1 or 3; not changed.

        Returns:
            The same, or (N, C, S, S) for the image size S, in memory of its own.
        """
        size = self._image_size
        if size is None or images.shape[2:] == (size, size):
            self._report(len(images))
            return torch.from_numpy(np.array(images, order="C"))
        resized = np.empty((*images.shape[:2], size, size), dtype=np.uint8)
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(images), CHUNK):
                chunk = images[start : start + CHUNK]
                for row, image in enumerate(pool.map(self._resized, chunk), start):
                    resized[row] = image
                self._report(len(chunk))
        return torch.from_numpy(resized)

    def _resized(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        from PIL.Image import fromarray

        assert self._image_size is not None
        plain = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        pixels = np.asarray(
            resize_and_crop(fromarray(np.ascontiguousarray(plain)), self._image_size)
        )
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    def _report(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


def sampled_parts(
    train: tuple[NDArray[np.uint8], NDArray[np.int64]],
    test: tuple[NDArray[np.uint8], NDArray[np.int64]],
    class_names: tuple[str, ...],
    *,
    limit: int | None,
    image_size: int | None,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> Parts:
    """Both splits of arrays of pixels and labels, the first one sampled.

    Args:
        train: (N, C, H, W) and (N,).
        test: the same of the test set, which is always whole.
        class_names: one name a class.
        limit: at most this many training images, a random sample.
        image_size: see `ArrayReader`.
        seed: of the sample.
        progress: see `ArrayReader`.

    Returns:
        Pixels and labels in memory of their own.
    """
    (train_images, train_labels), (test_images, test_labels) = train, test
    chosen = random_sample(len(train_labels), limit, seed=seed)
    total = len(chosen) + len(test_labels)
    reader = ArrayReader(image_size=image_size, total=total, progress=progress)
    return Parts(
        Part(
            reader.read(train_images[chosen]),
            torch.from_numpy(train_labels[chosen]),
            train_name(len(chosen), len(train_labels)),
        ),
        Part(reader.read(test_images), torch.from_numpy(test_labels), "test"),
        class_names,
    )
