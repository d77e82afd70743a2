"""Corrupted images from the files of CIFAR-10-C, or of a cache in the same layout.

Shapes: N images, S severities, C channels, H rows, W columns.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchlgg.core import InputError, cannot
from torchlgg.corruptions._cache_file import read_cache_file
from torchlgg.corruptions._names import NUMBERED, SEVERITIES, check_name

_LABELS = "labels.npy"


class CorruptedImages(NamedTuple):
    """The images of one corruption at one severity, as they lie in a file.

    Attributes:
        images: (N, C, H, W), uint8, a view into the file: only what is read is loaded, and what
            is written to it never reaches the file.
        labels: (N,), int64, from the file of labels beside it; ``None`` where there is none.

    Example:
        >>> import torch
        >>> CorruptedImages(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), None).labels is None
        True
    """

    images: Tensor
    labels: Tensor | None


def open_corrupted(folder: str | os.PathLike[str], name: str, severity: int) -> CorruptedImages:
    """One corruption at one severity from a folder of published or own files.

    ``<name>.npy`` holds uint8 (S N, H, W, C), severity by severity, and ``labels.npy`` the labels
    in the same order. S is 5, unless the folder has a ``corruptions.json`` that says otherwise.

    Args:
        folder: such as ``CIFAR-10-C``, unpacked, or one that :func:`write_corrupted` made. The
            published files are in the order of the original test set; labels from elsewhere fit
            only if they are in that order too.
        name: one of :func:`corruption_names`.
        severity: one of those in the file.

    Returns:
        Images and labels; the images are mapped from the file, not loaded.

    Raises:
        InputError: no such file, one that is not such an array, or a severity that it lacks.

    Example:
        >>> import tempfile, torch
        >>> from torchlgg.corruptions import open_corrupted, write_corrupted
        >>> images = torch.full((4, 3, 8, 8), 200, dtype=torch.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = write_corrupted(images, folder, names=["contrast", "brightness"])
        ...     found = open_corrupted(folder, "brightness", 1)
        ...     found.images.shape, int(found.images[0, 0, 0, 0]), found.labels
        (torch.Size([4, 3, 8, 8]), 212, None)
    """
    check_name(name, where="open_corrupted")
    place = Path(folder)
    said = read_cache_file(place)
    severities = list(SEVERITIES) if said is None else said["severities"]
    if type(severity) is not int or severity not in severities:
        raise InputError(
            f"open_corrupted: `severity` must be one of {severities}, those in {str(place)!r}, "
            f"got {severity!r}"
        )
    path = place / f"{name}.npy"
    if not path.exists():
        raise InputError(_absent(place, name))
    array = _mapped(path)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] not in (1, 3):
        raise InputError(
            f"{str(path)!r} must hold uint8 images (S N, H, W, C) with C either 1 or 3, but holds "
            f"{array.dtype} of shape {array.shape}"
        )
    rows = _rows(len(array), severities, severity, path)
    labels = _labels(place / _LABELS, len(array), rows)
    return CorruptedImages(torch.from_numpy(array[rows]).permute(0, 3, 1, 2), labels)


def _rows(total: int, severities: list[int], severity: int, path: Path) -> slice:
    if total % len(severities):
        raise InputError(
            f"{str(path)!r} must hold the same number of images for each of {len(severities)} "
            f"severities, but holds {total} images"
        )
    count = total // len(severities)
    start = severities.index(severity) * count
    return slice(start, start + count)


def _labels(path: Path, total: int, rows: slice) -> Tensor | None:
    if not path.exists():
        return None
    array = _mapped(path)
    if array.shape != (total,) or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"{str(path)!r} must hold {total} whole numbers, one for each image beside it, but "
            f"holds {array.dtype} of shape {array.shape}"
        )
    return torch.from_numpy(array[rows].astype(np.int64))


def _mapped(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except OSError as error:
        raise cannot("read", path, error) from error
    except (ValueError, EOFError) as error:
        raise InputError(
            f"{str(path)!r} is not a whole .npy array of numbers; download or write it again"
        ) from error
    return array


def _absent(folder: Path, name: str) -> str:
    if not folder.is_dir():
        return f"open_corrupted: `folder` must be a folder that exists, got {str(folder)!r}"
    if (folder / partial_name(name)).exists():
        return (
            f"{name}.npy in {str(folder)!r} is not finished; call write_corrupted again, which "
            "goes on where it stopped"
        )
    there = [found for found in NUMBERED if (folder / f"{found}.npy").exists()]
    holds = f"it holds {', '.join(there)}" if there else "it holds no corruption at all"
    return f"{str(folder)!r} has no {name}.npy; {holds}"


def partial_name(name: str) -> str:
    """The hidden file that becomes ``<name>.npy`` when all severities are in it."""
    return f".{name}.npy.partial"
