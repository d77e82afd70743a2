"""The street view house numbers as their makers publish them: two MATLAB files.

Shapes: N images.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchlgg.core import InputError
from torchlgg.data._array_pixels import sampled_parts
from torchlgg.data._listing import visible_files
from torchlgg.data._parts import Parts

_TRAIN, _TEST = "train_32x32.mat", "test_32x32.mat"


def has_svhn(folder: Path) -> bool:
    """Whether a folder holds at least one of the two files."""
    names = {path.name for path in visible_files(folder, suffixes=(".mat",))}
    return bool(names & {_TRAIN, _TEST})


def read_svhn(
    folder: Path,
    *,
    limit: int | None,
    image_size: int | None,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> Parts:
    """Both splits of SVHN, cropped digits, 3 x 32 x 32; the extra images are not read.

    Args:
        folder: holds ``train_32x32.mat`` and ``test_32x32.mat``.
        limit: number of training images, a random sample drawn by ``seed``.
        image_size: see `ArrayReader`.
        seed: of the sample.
        progress: see `ArrayReader`.

    Returns:
        Both splits; the classes are "0" to "9", and the label 10 of the files is the digit 0.

    Raises:
        InputError: when a file is missing, damaged or of another layout.
    """
    for name in (_TRAIN, _TEST):
        if not (folder / name).is_file():
            raise InputError(
                f"`source` must hold {_TRAIN} and {_TEST}, but in {folder} there is no {name}; "
                f"fetch what is missing"
            )
    train_images, train_labels = _read(folder / _TRAIN)
    test_images, test_labels = _read(folder / _TEST)
    return sampled_parts(
        (train_images, train_labels),
        (test_images, test_labels),
        tuple(map(str, range(10))),
        limit=limit,
        image_size=image_size,
        seed=seed,
        progress=progress,
    )


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(N, 3, H, W) and (N,)."""
    from scipy.io import loadmat

    try:
        held = loadmat(path, variable_names=("X", "y"))
    except Exception as error:  # damaged files make the reader raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"`source`: {path} cannot be read as a MATLAB file: {reason.rstrip('.')}; fetch it "
            f"again"
        ) from error
    images, labels = held.get("X"), held.get("y")
    if (
        not isinstance(images, np.ndarray)
        or not isinstance(labels, np.ndarray)
        or images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[2] != 3
        or images.size == 0
        or labels.dtype.kind not in "iuf"
        or labels.size != images.shape[3]
    ):
        raise InputError(
            f"`source`: {path} must hold `X`, uint8 of shape (32, 32, 3, N), and `y`, a label for "
            f"each image, as the files of SVHN do; fetch it again"
        )
    digits = labels.reshape(-1)
    wrong = np.flatnonzero(~np.isin(digits, np.arange(1, 11)))
    if len(wrong):
        raise InputError(
            f"`source`: {path} row {wrong[0]} must have a label between 1 and 10, where 10 is the "
            f"digit 0, got {digits[wrong[0]]}"
        )
    return images.transpose(3, 2, 0, 1), digits.astype(np.int64) % 10
