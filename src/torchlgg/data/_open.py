"""One door to every source of labelled images."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar, overload

from torchlgg.core import InputError
from torchlgg.data._cifar import find_cifar, read_cifar
from torchlgg.data._class_folders import find_class_folders, read_class_folders
from torchlgg.data._digits import read_digits
from torchlgg.data._image_files import ImageFiles
from torchlgg.data._image_set import ImageSet
from torchlgg.data._locate import check_class_layout, existing_path
from torchlgg.data._numpy_files import has_arrays, read_arrays
from torchlgg.data._on_disk import fits_in_memory, image_files
from torchlgg.data._parquet import read_parquet
from torchlgg.data._parquet_files import parquet_files
from torchlgg.data._parts import Part, Parts
from torchlgg.data._sampling import check_seed
from torchlgg.data._statistics import ChannelStatistics, channel_statistics, given_statistics
from torchlgg.data._svhn import has_svhn, read_svhn

SetT = TypeVar("SetT", bound=ImageSet | ImageFiles)


class Splits(NamedTuple, Generic[SetT]):
    """The images to train on and the images to test on, with the same classes and normalisation.

    Attributes:
        train: the training set.
        test: the test set, of the same kind.

    Example:
        >>> from torchlgg.data import open_images
        >>> open_images("digits").test
        ImageSet(359 images of 1 x 8 x 8, 10 classes, source='digits: test')
    """

    train: SetT
    test: SetT


@overload
def open_images(
    source: str | os.PathLike[str],
    *,
    limit: int | None = ...,
    image_size: int | None = ...,
    seed: int = ...,
    mean: tuple[float, ...] | None = ...,
    std: tuple[float, ...] | None = ...,
    in_memory: Literal[True],
    workers: int | None = ...,
    progress: Callable[[int, int], None] | None = ...,
) -> Splits[ImageSet]: ...
@overload
def open_images(
    source: str | os.PathLike[str],
    *,
    limit: int | None = ...,
    image_size: int | None = ...,
    seed: int = ...,
    mean: tuple[float, ...] | None = ...,
    std: tuple[float, ...] | None = ...,
    in_memory: Literal[False],
    workers: int | None = ...,
    progress: Callable[[int, int], None] | None = ...,
) -> Splits[ImageFiles]: ...
@overload
def open_images(
    source: str | os.PathLike[str],
    *,
    limit: int | None = ...,
    image_size: int | None = ...,
    seed: int = ...,
    mean: tuple[float, ...] | None = ...,
    std: tuple[float, ...] | None = ...,
    in_memory: bool | None = ...,
    workers: int | None = ...,
    progress: Callable[[int, int], None] | None = ...,
) -> Splits[ImageSet] | Splits[ImageFiles]: ...
def open_images(
    source: str | os.PathLike[str],
    *,
    limit: int | None = None,
    image_size: int | None = None,
    seed: int = 0,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    in_memory: bool | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Splits[ImageSet] | Splits[ImageFiles]:
    """Finds, checks and reads the images of a source.

    The form of a source is known by the names of its files:

    - ``"digits"``: the 1,797 handwritten digits of scikit-learn, 1 x 8 x 8, with values 0 to 16
      stretched to 0 to 255 (rounded). A fifth of each class is the test set, always the same.
    - A folder of parquet files as the Hugging Face hub serves image classification sets:
      ``train*.parquet`` and ``test*.parquet`` (or ``validation*.parquet``), joined by name; a
      struct column ``image`` or ``img`` with the stored file in its field ``bytes``; a
      whole-number column ``label`` or ``fine_label``; class names in the metadata.
    - CIFAR-10 and CIFAR-100 (with its fine labels) as published: the folder
      ``cifar-10-batches-py``, ``cifar-100-python``, ``cifar-10-batches-bin`` or
      ``cifar-100-binary``, or the folder it lies in, such as torchvision's ``root``. The pickles
      are read without running anything that is in them.
    - SVHN as published: a folder with ``train_32x32.mat`` and ``test_32x32.mat``.
    - Arrays: a folder with ``train_images.npy``, ``train_labels.npy``, ``test_images.npy``,
      ``test_labels.npy`` and, if wanted, ``class_names.txt``, one name a line; or one .npz file
      with these names. Images are uint8, (N, H, W), (N, H, W, C) or (N, C, H, W) with one or three
      channels; a shape that could be read both ways is refused.
    - A folder of images: ``train/<class>/*`` and ``test/<class>/*`` (or ``validation``, ``valid``,
      ``val``), or just ``<class>/*``, of which a stratified random fifth becomes the test set.
      Classes are sorted by name. Hidden files, files that are no images by their ending, and
      links to folders inside a class are skipped.

    Image files are turned upright by their EXIF orientation. They get one channel if all of them
    are grey and three (RGB) otherwise; transparency is dropped, 16-bit grey keeps its high byte.
    All must have one size unless ``image_size`` is given.

    The normalisation belongs to the training images and is the same in both sets: what is given,
    else the published constants for CIFAR-10 and CIFAR-100 (known by their class names and shape),
    else computed.

    Args:
        source: ``"digits"``, a folder, or an .npz file; ``"./digits"`` is a folder.
        limit: at most this many training images, at least 1; the test set is always whole.
            Parquet: the first rows, and row groups beyond are not read. CIFAR: the first images.
            Others: a random sample.
        image_size: resize every image so that its shorter side has this many pixels (bilinear,
            with antialiasing), and keep the square in the centre.
        seed: of the random choices: the test set of an image folder that has none, the sample for
            ``limit``, and the sample that images on disk are normalised by. Digits, parquet and
            CIFAR make none that depend on it.
        mean: the normalisation to use, one number a channel on the scale where pixels run from 0
            to 1, such as that of a pretrained network; three numbers turn grey images into three
            equal channels.
        std: the standard deviations that belong to ``mean``.
        in_memory: True reads all pixels into memory. False leaves a folder of images on disk, to
            be decoded at each access; it needs ``image_size``, and no other form of source can.
            None reads a folder of images into memory when its pixels take at most 4 GiB, and
            leaves it on disk otherwise.
        workers: processes that decode images left on disk, see :class:`ImageFiles`; nothing else
            needs them.
        progress: called now and then with the number of images done and of all images; of images
            left on disk, only a sample is read.

    Returns:
        ``train`` and ``test``, each an :class:`ImageSet`, or each an :class:`ImageFiles` when the
        images are left on disk: then mean and std are measured on a random sample of 2,048
        training images unless given, which ``source`` says.

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
    given = given_statistics(mean, std)
    path = None if source == "digits" else existing_path(source)
    name = "digits" if path is None else path.resolve().name
    folders = path is not None and not _is_stored_whole(path)
    if in_memory is False and not folders:
        raise InputError(
            f"`in_memory` can be False only for a folder with one folder of images a class, and "
            f"{name!r} is none; leave it out"
        )
    if path is None:
        parts = read_digits(limit=limit, image_size=image_size, progress=progress)
    elif not folders:
        parts = _read_whole(path, limit, image_size, seed, progress)
    else:
        check_class_layout(path)
        found = find_class_folders(path, limit=limit, seed=seed)
        if in_memory is None:
            in_memory = fits_in_memory(found, image_size=image_size)
        if not in_memory:
            if image_size is None:
                raise InputError(
                    f"`image_size` must be given when images are left on disk: pass it "
                    f"(`--image-size`), or `in_memory=True` to read {path} into memory"
                )
            on_disk = image_files(
                found,
                path,
                name=name,
                image_size=image_size,
                given=given,
                seed=seed,
                workers=workers,
                progress=progress,
            )
            return Splits(*on_disk)
        parts = read_class_folders(found, image_size=image_size, progress=progress)
    return _image_sets(parts, name, given)


def _is_stored_whole(path: Path) -> bool:
    """Whether the pixels lie in files of many images each."""
    return (
        path.is_file()
        or bool(parquet_files(path))
        or find_cifar(path) is not None
        or has_svhn(path)
        or has_arrays(path)
    )


def _read_whole(
    path: Path,
    limit: int | None,
    image_size: int | None,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> Parts:
    if path.is_dir() and parquet_files(path):
        return read_parquet(path, limit=limit, image_size=image_size, progress=progress)
    if path.is_dir() and (cifar := find_cifar(path)):
        return read_cifar(cifar, limit=limit, image_size=image_size, progress=progress)
    read = read_svhn if path.is_dir() and has_svhn(path) else read_arrays
    return read(path, limit=limit, image_size=image_size, seed=seed, progress=progress)


def _image_sets(parts: Parts, name: str, given: ChannelStatistics | None) -> Splits[ImageSet]:
    channels = max(part.images.shape[1] for part in (parts.train, parts.test))
    if given is not None:
        channels = max(channels, len(given.mean))
    train, test = (
        part._replace(images=part.images.expand(-1, channels, -1, -1).contiguous())
        for part in (parts.train, parts.test)
    )
    mean, std, origin = given or channel_statistics(train.images, parts.class_names)

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
