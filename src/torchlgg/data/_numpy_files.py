"""Images in numpy's own files: four .npy in a folder, or one .npz with the same names.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchlgg.core import InputError
from torchlgg.data._array_pixels import sampled_parts
from torchlgg.data._fields import check_class_names
from torchlgg.data._listing import visible_files
from torchlgg.data._parts import Parts

_KEYS = ("train_images", "train_labels", "test_images", "test_labels")
_NAMES = "class_names"


def has_arrays(folder: Path) -> bool:
    """Whether a folder holds at least one of the four files."""
    return bool({path.stem for path in visible_files(folder, suffixes=(".npy",))} & set(_KEYS))


def read_arrays(
    source: Path,
    *,
    limit: int | None,
    image_size: int | None,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> Parts:
    """Both splits of arrays of pixels and labels.

    Args:
        source: a folder with ``train_images.npy``, ``train_labels.npy``, ``test_images.npy`` and
            ``test_labels.npy``, and perhaps ``class_names.txt``, one name a line; or one .npz
            file with arrays of these names. Images are uint8, (N, H, W), (N, H, W, C) or
            (N, C, H, W) with C either 1 or 3; labels are whole numbers, (N,) or (N, 1).
        limit: number of training images, a random sample drawn by ``seed``.
        image_size: see `ArrayReader`.
        seed: of the sample.
        progress: see `ArrayReader`.

    Returns:
        Both splits; without names the classes are "0", "1", ... up to the highest training label.

    Raises:
        InputError: when an array is missing, damaged, of another type or shape, or its axes could
            be read in two ways.
    """
    held = _from_folder(source) if source.is_dir() else _from_archive(source)
    train_images, train_labels = (_images(held, source, "train"), _labels(held, source, "train"))
    test_images, test_labels = (_images(held, source, "test"), _labels(held, source, "test"))
    if train_images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"`source` must hold images of one shape, but in {source} the training images are "
            f"{_size(train_images)} and the test images {_size(test_images)} (channels x height x "
            f"width)"
        )
    names = _class_names(held, source, highest=int(train_labels.max()))
    for split, labels in (("train", train_labels), ("test", test_labels)):
        outside = np.flatnonzero((labels < 0) | (labels >= len(names)))
        if len(outside):
            raise InputError(
                f"`source`: {split}_labels of {source} must lie between 0 and {len(names) - 1} for "
                f"{len(names)} classes, got {labels[outside[0]]} at position {outside[0]}"
            )
    return sampled_parts(
        (train_images, train_labels),
        (test_images, test_labels),
        names,
        limit=limit,
        image_size=image_size,
        seed=seed,
        progress=progress,
    )


def _from_folder(folder: Path) -> dict[str, Any]:
    held: dict[str, Any] = {}
    for key in _KEYS:
        path = folder / f"{key}.npy"
        if not path.is_file():
            raise InputError(
                f"`source` must hold {', '.join(f'{key}.npy' for key in _KEYS)}, but in {folder} "
                f"there is no {path.name}"
            )
        try:
            held[key] = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # damaged files make the reader raise nearly anything
            raise _damaged(path, error) from error
    listed = folder / f"{_NAMES}.txt"
    if listed.is_file():
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        held[_NAMES] = [line.strip() for line in lines if line.strip()]
    return held


def _from_archive(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            held: dict[str, Any] = {
                key: archive[key] for key in (*_KEYS, _NAMES) if key in archive.files
            }
            present = archive.files
    except Exception as error:
        raise _damaged(path, error) from error
    missing = [key for key in _KEYS if key not in held]
    if missing:
        raise InputError(
            f"`source` must hold the arrays {', '.join(_KEYS)}, but those of {path} are "
            f"{', '.join(present) or 'none'}; save it with these names"
        )
    if _NAMES in held:
        held[_NAMES] = held[_NAMES].reshape(-1).tolist()
    return held


def _damaged(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "allow_pickle" in reason or "Python objects" in reason:
        reason = "it holds Python objects, which could run code"
    return InputError(
        f"`source`: {path} cannot be read as numpy arrays of numbers: {reason.rstrip('.')}; write "
        f"it again"
    )


def _images(held: dict[str, Any], source: Path, split: str) -> NDArray[np.uint8]:
    """(N, C, H, W), a view of what was read."""
    images: NDArray[np.uint8] = held[f"{split}_images"]
    place = f"{split}_images of {source}"
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.size == 0:
        raise InputError(
            f"`source`: {place} must be uint8 of shape (N, H, W), (N, H, W, C) or (N, C, H, W), "
            f"got {images.dtype} of shape {images.shape}"
        )
    if images.ndim == 3:
        return images[:, None]
    first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
    if first == last:
        reason = "both could be" if first else "neither is"
        raise InputError(
            f"`source`: {place} must have 1 or 3 channels on its second axis or on its last, but "
            f"{reason}: got shape {images.shape}"
            + ("; save grey images as (N, H, W)" if first else "")
        )
    return images if first else images.transpose(0, 3, 1, 2)


def _labels(held: dict[str, Any], source: Path, split: str) -> NDArray[np.int64]:
    labels, count = held[f"{split}_labels"], len(held[f"{split}_images"])
    if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
        raise InputError(
            f"`source`: {split}_labels of {source} must be whole numbers, one for each of its "
            f"{count} images, got {labels.dtype} of shape {labels.shape}"
        )
    flat: NDArray[np.int64] = labels.reshape(-1).astype(np.int64)
    return flat


def _class_names(held: dict[str, Any], source: Path, *, highest: int) -> tuple[str, ...]:
    if _NAMES not in held:
        if highest >= len(held["train_labels"]):
            raise InputError(
                f"`source` must count its classes from 0 where nothing names them, but the highest "
                f"of {len(held['train_labels'])} training labels of {source} is {highest}; number "
                f"them anew or add class_names.txt"
            )
        return tuple(map(str, range(highest + 1)))
    names = tuple(held[_NAMES])
    try:
        check_class_names(names)
    except InputError as problem:
        raise InputError(f"`source`: {_NAMES} of {source}: {problem}") from problem
    return names


def _size(images: NDArray[np.uint8]) -> str:
    return " x ".join(map(str, images.shape[1:]))
