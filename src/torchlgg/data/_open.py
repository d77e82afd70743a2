"""One door to every source of labelled images."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from torchlgg.core import InputError, did_you_mean
from torchlgg.data._class_folders import read_class_folders
from torchlgg.data._digits import read_digits
from torchlgg.data._image_set import ImageSet
from torchlgg.data._listing import visible_folders
from torchlgg.data._parquet import read_parquet
from torchlgg.data._parquet_files import parquet_files
from torchlgg.data._parts import Part, Parts
from torchlgg.data._sampling import check_seed
from torchlgg.data._statistics import channel_statistics

_ACCEPTED = (
    "'digits', a folder of parquet files (train*.parquet, test*.parquet), or a folder with one "
    "folder of images a class"
)


class Splits(NamedTuple):
    """The images to train on and the images to test on, with the same classes and normalisation.

    Attributes:
        train: the training set.
        test: the test set.

    Example:
        >>> from torchlgg.data import open_images
        >>> open_images("digits").test
        ImageSet(359 images of 1 x 8 x 8, 10 classes, source='digits: test')
    """

    train: ImageSet
    test: ImageSet


def open_images(
    source: str | os.PathLike[str],
    *,
    limit: int | None = None,
    image_size: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Splits:
    """Reads, checks and decodes all images of a source into memory.

    Three kinds of sources:

    - ``"digits"``: the 1,797 handwritten digits of scikit-learn, 1 x 8 x 8, with values 0 to 16
      stretched to 0 to 255 (rounded). A fifth of each class is the test set, always the same.
    - A folder of parquet files as the Hugging Face hub serves image classification sets:
      ``train*.parquet`` and ``test*.parquet`` (or ``validation*.parquet``), joined by name; a
      struct column ``image`` or ``img`` with the stored file in its field ``bytes``; a
      whole-number column ``label`` or ``fine_label``; class names in the metadata.
    - A folder of images: ``train/<class>/*`` and ``test/<class>/*`` (or ``validation``, ``valid``,
      ``val``), or just ``<class>/*``, of which a stratified random fifth becomes the test set.
      Classes are sorted by name. Hidden files, files that are no images by their ending, and
      links to folders inside a class are skipped.

    Images are turned upright by their EXIF orientation. They get one channel if all of them are
    grey and three (RGB) otherwise; transparency is dropped, 16-bit grey keeps its high byte. All
    must have one size unless ``image_size`` is given.

    The normalisation belongs to the training images and is the same in both sets: the published
    constants for CIFAR-10 (known by its class names and shape), else computed.

    Args:
        source: ``"digits"`` or a folder; ``"./digits"`` is a folder.
        limit: at most this many training images, at least 1; the test set is always whole.
            Parquet: the first rows, and row groups beyond are not read. Digits and image folders:
            a random sample.
        image_size: resize every image so that its shorter side has this many pixels (bilinear,
            with antialiasing), and keep the square in the centre.
        seed: of the random choices for an image folder (its test set, where it has none, and its
            sample for ``limit``); the other sources make none that depend on it.
        progress: called now and then with the number of images done and of all images.

    Returns:
        ``train`` and ``test``.

    Raises:
        InputError: when there is no such source, a file is missing, damaged or laid out otherwise,
            a label is missing or out of range, an image does not decode, sizes differ, or another
            argument is out of range. The message names the file, and the row where there is one.

    Example:
        >>> from torchlgg.data import open_images
        >>> digits = open_images("digits", limit=200)
        >>> digits.train
        ImageSet(200 images of 1 x 8 x 8, 10 classes, source='digits: train, 200 of 1438 images')
        >>> digits.train.class_names[:3], digits.train.statistics
        (('0', '1', '2'), 'computed')
    """
    for name, value in (("limit", limit), ("image_size", image_size)):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and value >= 1):
            raise InputError(f"`{name}` must be a whole number of at least 1, got {value!r}")
    check_seed(seed)
    if source == "digits":
        name = "digits"
        parts = read_digits(limit=limit, image_size=image_size, progress=progress)
    else:
        folder = _existing_folder(source)
        name = folder.resolve().name
        if parquet_files(folder):
            parts = read_parquet(folder, limit=limit, image_size=image_size, progress=progress)
        else:
            _check_layout(folder)
            parts = read_class_folders(
                folder, limit=limit, image_size=image_size, seed=seed, progress=progress
            )
    return _image_sets(parts, name)


def _existing_folder(source: str | os.PathLike[str]) -> Path:
    if not isinstance(source, str | os.PathLike) or not isinstance(os.fspath(source), str):
        raise InputError(f"`source` must be {_ACCEPTED}, got {type(source).__name__} {source!r}")
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        hint = (
            "pass the folder it lies in"
            if folder.suffix == ".parquet"
            else "if it is an archive, unpack it and pass the folder"
        )
        raise InputError(f"`source` must be {_ACCEPTED}, but {folder} is a file; {hint}")
    missing = folder
    while not missing.parent.exists():
        missing = missing.parent
    known = [path.name for path in visible_folders(missing.parent)]
    hint = did_you_mean(missing.name, ["digits", *known] if missing == Path(source) else known)
    raise InputError(
        f"`source` must be {_ACCEPTED}, but {str(folder)!r} does not exist: there is no "
        f"{missing.name!r} in {missing.parent}{hint}"
    )


def _check_layout(folder: Path) -> None:
    folders = visible_folders(folder)
    if not folders:
        raise InputError(
            f"`source` must be {_ACCEPTED}, but {folder} has neither parquet files nor folders"
        )
    for inner in folders:
        if parquet_files(inner):
            raise InputError(
                f"`source` must be {_ACCEPTED}, but the parquet files of {folder} lie in "
                f"{inner.name!r}: pass {inner}"
            )


def _image_sets(parts: Parts, name: str) -> Splits:
    channels = max(part.images.shape[1] for part in (parts.train, parts.test))
    train, test = (
        part._replace(images=part.images.expand(-1, channels, -1, -1).contiguous())
        for part in (parts.train, parts.test)
    )
    mean, std, origin = channel_statistics(train.images, parts.class_names)

    def image_set(part: Part) -> ImageSet:
        return ImageSet(
            images=part.images,
            labels=part.labels,
            class_names=parts.class_names,
            mean=mean,
            std=std,
            source=f"{name}: {part.name}",
            statistics=origin,
        )

    return Splits(image_set(train), image_set(test))
