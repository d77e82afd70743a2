"""Folders with one folder of images a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from torchlgg.core import InputError
from torchlgg.data._listing import visible_files_below, visible_folders
from torchlgg.data._parts import Part, Parts, train_name
from torchlgg.data._pixels import PixelReader, StoredImage
from torchlgg.data._sampling import held_out, random_sample

_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
_TEST_NAMES = ("test", "validation", "valid", "val")


class Files(NamedTuple):
    """The image files of one split, class by class, the label of each, and the split's name."""

    paths: list[Path]
    labels: list[int]
    name: str

    def take(self, rows: NDArray[np.int64], *, name: str) -> Files:
        """Some of them, under another name."""
        return Files([self.paths[row] for row in rows], [self.labels[row] for row in rows], name)


class ClassFolders(NamedTuple):
    """Both splits of a folder of images, as files, with the names of their classes."""

    train: Files
    test: Files
    class_names: tuple[str, ...]


def find_class_folders(folder: Path, *, limit: int | None, seed: int) -> ClassFolders:
    """Lists both splits of a folder of images.

    Args:
        folder: either has ``train`` and ``test`` (or ``validation``, ``valid``, ``val``) with one
            folder a class in each, or one folder a class, of which a fifth becomes the test set.
            Class folders are searched to any depth, but links to folders are not followed within.
        limit: number of training images, a random sample drawn by ``seed``.
        seed: of the test set where the folder has none, and of the sample.

    Returns:
        Both splits; the classes are sorted by name, the images by path.

    Raises:
        InputError: when the folder is laid out otherwise.
    """
    folders = {path.name.lower(): path for path in visible_folders(folder)}
    test_name = next((name for name in _TEST_NAMES if name in folders), None)
    if "train" in folders and test_name is None:
        raise InputError(
            f"`source` {folder} has a folder `train` and must have `test` or `validation` beside "
            f"it; to set a fifth of the images aside instead, pass {folders['train']}"
        )
    if "train" in folders and test_name is not None:
        train, names = _list_images(folders["train"], name="train")
        test, test_names = _list_images(folders[test_name], name=test_name)
        if names != test_names:
            raise InputError(
                _different_classes(folders["train"], names, folders[test_name], test_names)
            )
        split_name = ""
    else:
        every, names = _list_images(folder, name="all")
        for_test = held_out(np.array(every.labels), fraction=0.2, seed=seed)
        if not for_test.any():
            raise InputError(
                f"`source` {folder} must have at least two images in some class to set test "
                f"images aside; add images, or folders `train` and `test`"
            )
        train = every.take(np.flatnonzero(~for_test), name="train")
        test = every.take(np.flatnonzero(for_test), name="test")
        split_name = f" (random fifth for testing, seed={seed})"
    rows = random_sample(len(train.paths), limit, seed=seed)
    taken = train.take(rows, name=train_name(len(rows), len(train.paths)) + split_name)
    return ClassFolders(taken, test, names)


def read_class_folders(
    found: ClassFolders,
    *,
    image_size: int | None,
    progress: Callable[[int, int], None] | None,
) -> Parts:
    """Decodes both splits of a folder of images.

    Args:
        found: the files.
        image_size: see `PixelReader`.
        progress: see `PixelReader`.

    Returns:
        Both splits, in the order of the files.

    Raises:
        InputError: when an image cannot be used.
    """
    total = len(found.train.paths) + len(found.test.paths)
    reader = PixelReader(image_size=image_size, total=total, progress=progress)

    def part(files: Files) -> Part:
        stored = (StoredImage(path, str(path)) for path in files.paths)
        images = reader.read(stored, len(files.paths))
        return Part(images, torch.tensor(files.labels), files.name)

    return Parts(part(found.train), part(found.test), found.class_names)


def _list_images(folder: Path, *, name: str) -> tuple[Files, tuple[str, ...]]:
    classes = visible_folders(folder)
    if len(classes) < 2:
        found = f"only {classes[0].name!r}" if classes else "none"
        raise InputError(
            f"`source` must have at least two class folders in {folder}, got {found}; pass the "
            f"folder that holds one folder of images a class"
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, path in enumerate(classes):
        images = visible_files_below(path, suffixes=_SUFFIXES)
        if not images:
            raise InputError(
                f"`source` must have images in every class folder, but {path} has none with an "
                f"ending of {', '.join(sorted(_SUFFIXES))}; fill or remove it"
            )
        paths += images
        labels += [label] * len(images)
    return Files(paths, labels, name), tuple(path.name for path in classes)


def _different_classes(
    train_folder: Path, train: tuple[str, ...], test_folder: Path, test: tuple[str, ...]
) -> str:
    def only(names: Sequence[str], others: Sequence[str]) -> str:
        return ", ".join(sorted(set(names) - set(others))) or "no other"

    return (
        f"`source` must have the same class folders in {train_folder} and {test_folder}: only the "
        f"first has {only(train, test)}, only the second {only(test, train)}"
    )
