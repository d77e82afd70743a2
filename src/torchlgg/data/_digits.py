"""The embedded data set: the 1,797 handwritten digits of scikit-learn, 8 x 8, grey."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from torchlgg.data._parts import Part, Parts, train_name
from torchlgg.data._pixels import resize_and_crop
from torchlgg.data._sampling import held_out, random_sample


def read_digits(
    *,
    limit: int | None,
    image_size: int | None,
    progress: Callable[[int, int], None] | None,
) -> Parts:
    """The digits, split once and for all: 1,438 for training, 359 for testing.

    The values 0 to 16 become round(v * 255 / 16), which is 0, 16, 32, ..., 239, 255. A fifth of
    each class is the test set, the same for every seed, so that results compare; the limited
    training set is a random sample, as the rows of the source are ordered by writer.

    Args:
        limit: number of training images, None for all.
        image_size: None keeps 8 x 8; a number resizes.
        progress: called once at the end.

    Returns:
        Both splits; the names of the classes are "0" to "9".
    """
    from PIL.Image import fromarray
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    labels = digits.target.astype(np.int64)
    for_test = held_out(labels, fraction=0.2, seed=0)
    train, test = np.flatnonzero(~for_test), np.flatnonzero(for_test)
    chosen = train[random_sample(len(train), limit, seed=0)]

    def part(rows: NDArray[np.int64], name: str) -> Part:
        images = pixels[rows]
        if image_size is not None:
            images = np.stack(
                [np.asarray(resize_and_crop(fromarray(x), image_size)) for x in images]
            )
        return Part(torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels[rows]), name)

    name = train_name(len(chosen), len(train))
    parts = Parts(part(chosen, name), part(test, "test"), tuple(map(str, range(10))))
    if progress is not None:
        total = len(chosen) + len(test)
        progress(total, total)
    return parts
