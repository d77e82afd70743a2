"""Whether a folder of images is read into memory, and its splits where it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from torchlgg.core import InputError
from torchlgg.data._class_folders import ClassFolders, Files
from torchlgg.data._image_files import ImageFiles
from torchlgg.data._pixels import PixelReader, StoredImage, read_header
from torchlgg.data._sampling import random_sample
from torchlgg.data._statistics import ChannelStatistics, channel_statistics

LARGEST_IN_MEMORY = 4 * 2**30  # bytes of pixels that are read into memory unasked
STATISTICS_SAMPLE = 2048  # training images that mean and std are measured on


def fits_in_memory(found: ClassFolders, *, image_size: int | None) -> bool:
    """Whether the pixels of both splits take at most `LARGEST_IN_MEMORY` bytes.

    Raises:
        InputError: when they do not and there is no ``image_size``, which images on disk need.
    """
    count = len(found.train.paths) + len(found.test.paths)
    if image_size is not None:
        area = count * image_size * image_size
        return 3 * area <= LARGEST_IN_MEMORY or _channels(found) * area <= LARGEST_IN_MEMORY
    first = read_header(found.train.paths[0])
    size = count * (1 if first.grey else 3) * first.height * first.width
    if size > LARGEST_IN_MEMORY:
        raise InputError(
            f"`image_size` must be given for more than {LARGEST_IN_MEMORY / 2**30:.0f} GiB of "
            f"pixels: {count} images of {first.height} x {first.width} take {size / 2**30:.1f} "
            f"GiB; pass `image_size` (`--image-size`) to decode them as they are used, or "
            f"`in_memory=True` to read them all the same"
        )
    return True


def image_files(
    found: ClassFolders,
    folder: Path,
    *,
    name: str,
    image_size: int,
    given: ChannelStatistics | None,
    seed: int,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[ImageFiles, ImageFiles]:
    """Both splits of a folder of images, left on disk.

    Args:
        found: the files.
        folder: what their names are relative to.
        name: of the folder, for the records.
        image_size: pixels of a side.
        given: the normalisation, or None to measure it on a random sample of the training images.
        seed: of the sample.
        workers: see `ImageFiles`.
        progress: told of the images of the sample.

    Returns:
        The training and the test set.

    Raises:
        InputError: when an image of the sample does not decode.
    """
    channels = 3 if given is not None and len(given.mean) == 3 else _channels(found)
    statistics, words = given, ""
    if statistics is None:
        paths = found.train.paths
        sample = random_sample(len(paths), STATISTICS_SAMPLE, seed=seed)
        reader = PixelReader(image_size=image_size, total=len(sample), progress=progress)
        stored = (StoredImage(paths[row], str(paths[row])) for row in sample)
        images = reader.read(stored, len(sample)).expand(-1, channels, -1, -1)
        statistics = channel_statistics(images, found.class_names)
        if statistics.origin == "computed" and len(sample) < len(paths):
            words = f" (mean and std of {len(sample)} random training images)"

    def split(files: Files) -> ImageFiles:
        return ImageFiles(
            folder=folder,
            names=tuple(path.relative_to(folder).as_posix() for path in files.paths),
            labels=torch.tensor(files.labels),
            class_names=found.class_names,
            image_size=image_size,
            channels=channels,
            mean=statistics.mean,
            std=statistics.std,
            source=f"{name}: {files.name}{words}",
            statistics=statistics.origin,
            workers=workers,
        )

    return split(found.train), split(found.test)


def _channels(found: ClassFolders) -> int:
    """1 when every image is grey, else 3; the search ends at the first that is not."""
    paths = (path for split in (found.train, found.test) for path in split.paths)
    return 1 if all(read_header(path).grey for path in paths) else 3
