"""CIFAR-10 and CIFAR-100 as their makers publish them: Python pickles, or records of bytes.

Shapes: N images.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from torchlgg.core import InputError
from torchlgg.data._array_pixels import ArrayReader
from torchlgg.data._fields import check_class_names
from torchlgg.data._listing import visible_files, visible_folders
from torchlgg.data._parts import Part, Parts, train_name
from torchlgg.data._pickles import PickledArray, read_pickle

_IMAGE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


class CifarFiles(NamedTuple):
    """The files of one of the four forms, and where the labels are in them."""

    form: Literal["pickles", "records"]
    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    label_key: str  # of a pickle
    names_key: str
    label_bytes: int  # of a record; the last of them is the label


_FORMS = (
    CifarFiles(
        form="pickles",
        folder="cifar-10-batches-py",
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        names="batches.meta",
        label_key="labels",
        names_key="label_names",
        label_bytes=0,
    ),
    CifarFiles(
        form="pickles",
        folder="cifar-100-python",
        train=("train",),
        test="test",
        names="meta",
        label_key="fine_labels",
        names_key="fine_label_names",
        label_bytes=0,
    ),
    CifarFiles(
        form="records",
        folder="cifar-10-batches-bin",
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test="test_batch.bin",
        names="batches.meta.txt",
        label_key="",
        names_key="",
        label_bytes=1,
    ),
    CifarFiles(
        form="records",
        folder="cifar-100-binary",
        train=("train.bin",),
        test="test.bin",
        names="fine_label_names.txt",
        label_key="",
        names_key="",
        label_bytes=2,
    ),
)


class FoundCifar(NamedTuple):
    """A folder, and the form of what is in it."""

    folder: Path
    files: CifarFiles


def find_cifar(folder: Path) -> FoundCifar | None:
    """The CIFAR files of a folder, or of the one in it that has their usual name.

    Args:
        folder: is or holds ``cifar-10-batches-py``, ``cifar-100-python``,
            ``cifar-10-batches-bin`` or ``cifar-100-binary``; in itself it is known by its files
            whatever its name.

    Returns:
        None when there are none.

    Raises:
        InputError: when it holds several of these folders.
    """
    present = {path.name for path in visible_files(folder, suffixes=None)}
    for files in _FORMS:
        known = present & {*files.train, files.test, files.names}
        if len(known) > 1 or files.folder == folder.resolve().name:
            return FoundCifar(folder, files)
    inner = {path.name: path for path in visible_folders(folder)}
    found = [FoundCifar(inner[files.folder], files) for files in _FORMS if files.folder in inner]
    if len(found) > 1:
        listed = ", ".join(files.folder for _, files in found)
        raise InputError(
            f"`source` must be one set of images, but {folder} holds {listed}; pass "
            f"{found[0].folder} or another of them"
        )
    return found[0] if found else None


def read_cifar(
    found: FoundCifar,
    *,
    limit: int | None,
    image_size: int | None,
    progress: Callable[[int, int], None] | None,
) -> Parts:
    """Both splits of CIFAR-10, or of CIFAR-100 with its fine labels.

    Args:
        found: the folder and the form of its files.
        limit: number of training images, from the first.
        image_size: see `ArrayReader`.
        progress: see `ArrayReader`.

    Returns:
        Both splits and the class names, in the order of the labels.

    Raises:
        InputError: when a file is missing, damaged, of another layout, or asks to run code.
    """
    folder, files = found
    missing = [
        name for name in (*files.train, files.test, files.names) if not (folder / name).is_file()
    ]
    if missing:
        raise InputError(
            f"`source` must hold all files of {files.folder}, but in {folder} there is no "
            f"{', '.join(missing)}; fetch what is missing"
        )
    class_names = _class_names(folder / files.names, files)
    train = [_read(folder / name, files, classes=len(class_names)) for name in files.train]
    test = _read(folder / files.test, files, classes=len(class_names))
    images = np.concatenate([batch.images for batch in train])[:limit]
    labels = np.concatenate([batch.labels for batch in train])
    available, labels = len(labels), labels[:limit]
    total = len(labels) + len(test.labels)
    reader = ArrayReader(image_size=image_size, total=total, progress=progress)
    return Parts(
        Part(reader.read(images), torch.from_numpy(labels), train_name(len(labels), available)),
        Part(reader.read(test.images), torch.from_numpy(test.labels), "test"),
        class_names,
    )


class _Batch(NamedTuple):
    """The images of one file, (N, 3, 32, 32), and their labels, (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def _read(path: Path, files: CifarFiles, *, classes: int) -> _Batch:
    batch = _from_pickle(path, files) if files.form == "pickles" else _from_records(path, files)
    outside = np.flatnonzero((batch.labels < 0) | (batch.labels >= classes))
    if len(outside):
        raise InputError(
            f"`source`: {path} row {outside[0]} must have a label between 0 and {classes - 1}, got "
            f"{batch.labels[outside[0]]}"
        )
    return batch


def _from_records(path: Path, files: CifarFiles) -> _Batch:
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    width = files.label_bytes + _PIXELS
    if len(content) == 0 or len(content) % width:
        raise InputError(
            f"`source`: {path} must hold records of {width} bytes, but has {len(content)} bytes; "
            f"fetch it again"
        )
    records = content.reshape(-1, width)
    images = records[:, files.label_bytes :].reshape(-1, *_IMAGE)
    return _Batch(images, records[:, files.label_bytes - 1].astype(np.int64))


def _from_pickle(path: Path, files: CifarFiles) -> _Batch:
    held = read_pickle(path)
    data = held.get("data") if isinstance(held, dict) else None
    stored = held.get(files.label_key) if isinstance(held, dict) else None
    try:
        pixels = data.numpy() if isinstance(data, PickledArray) else None
        labels = np.array(stored.numpy() if isinstance(stored, PickledArray) else stored)
    except ValueError:  # an array without content, a list that is no row
        pixels = labels = None
    if (
        pixels is None
        or labels is None
        or pixels.dtype != np.uint8
        or pixels.shape != (len(pixels), _PIXELS)
        or len(pixels) == 0
        or labels.shape != (len(pixels),)
        or labels.dtype.kind not in "iu"
    ):
        raise InputError(
            f"`source`: {path} must hold `data` with {_PIXELS} bytes an image and a label for "
            f"each in `{files.label_key}`, as the files of {files.folder} do; fetch it again"
        )
    return _Batch(pixels.reshape(-1, *_IMAGE), labels.astype(np.int64))


def _class_names(path: Path, files: CifarFiles) -> tuple[str, ...]:
    if files.form == "pickles":
        held = read_pickle(path)
        names = held.get(files.names_key) if isinstance(held, dict) else None
        if not isinstance(names, list):
            raise InputError(
                f"`source`: {path} must name the classes in `{files.names_key}`, as the files of "
                f"{files.folder} do; fetch it again"
            )
    else:
        names = path.read_text(encoding="utf-8", errors="replace").split()
    try:
        check_class_names(tuple(names))
    except InputError as problem:
        raise InputError(f"`source`: {path}: {problem}; fetch it again") from problem
    return tuple(names)
