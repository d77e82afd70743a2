"""Any torch data set of images and labels, read once into memory.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Subset

from torchlgg.core import InputError
from torchlgg.data._fields import describe
from torchlgg.data._image_set import ImageSet
from torchlgg.data._pixel_store import PixelStore
from torchlgg.data._pixels import as_array
from torchlgg.data._statistics import channel_statistics, given_statistics

_EVERY = 512  # images between two reports of progress


def from_dataset(
    dataset: Dataset[Any],
    *,
    class_names: Sequence[str] | None = None,
    image_size: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    source: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageSet:
    """The images and labels of any data set of torch or torchvision, as an :class:`ImageSet`.

    Each item is asked for once, in order, so a random transform gives each image one fixed form:
    leave augmentation, ``ToTensor`` and ``Normalize`` out of the data set, as torchlgg crops,
    flips and normalises by itself. Floating-point images are refused, because their scale is not
    known. Images have one channel if all of them are grey and three otherwise.

    Args:
        dataset: has a length, and items (image, label): the image a PIL image, a uint8 tensor
            (C, H, W) or (H, W), or a uint8 array (H, W, C) or (H, W), with one or three channels;
            the label a whole number from 0. A PIL image is not turned by its EXIF orientation.
        class_names: one name a class; None takes ``dataset.classes`` (also of the data set under a
            :class:`~torch.utils.data.Subset`), or else counts: "0", "1", ... to the highest label.
        image_size: as in :func:`open_images`; None needs images of one size.
        mean: one number a channel from 0 to 1; None measures it, or takes the published one of
            CIFAR. Give the test images the ``mean`` of the training images.
        std: the standard deviations that belong to ``mean``.
        source: where the images came from, in words; None takes the name of the class.
        progress: called now and then with the number of images done and of all images.

    Returns:
        N images in the order of the data set.

    Raises:
        InputError: when an item is of another kind (the message names its position), the sizes
            differ, a label has no class, or ``mean`` does not fit.

    Example:
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> from torchlgg.data import from_dataset
        >>> pixels = torch.tensor([0, 255, 51], dtype=torch.uint8).view(3, 1, 1, 1)
        >>> train = from_dataset(TensorDataset(pixels, torch.tensor([0, 1, 1])), source="three")
        >>> train, round(train.mean[0], 6)
        (ImageSet(3 images of 1 x 1 x 1, 2 classes, source='three'), 0.4)
    """
    given = given_statistics(mean, std)
    whole = isinstance(image_size, int) and not isinstance(image_size, bool)
    if image_size is not None and not (whole and image_size >= 1):
        raise InputError(f"`image_size` must be a whole number of at least 1, got {image_size!r}")
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise InputError(
            f"`dataset` must have a length and items by position, got {type(dataset).__name__}; "
            f"read an iterable one into a list first"
        )
    count = len(dataset)
    if count == 0:
        raise InputError(f"`dataset` must hold at least one image, got an empty {_name(dataset)}")
    store = PixelStore(count, source="dataset")
    labels: list[int] = []
    for position in range(count):
        item = dataset[position]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise InputError(
                f"`dataset` must have items (image, label), but item {position} is "
                f"{describe(item)}{f' of {len(item)}' if isinstance(item, tuple | list) else ''}"
            )
        store.add(_pixels(item[0], position, image_size), f"item {position}")
        labels.append(_label(item[1], position))
        if progress is not None and ((position + 1) % _EVERY == 0 or position + 1 == count):
            progress(position + 1, count)
    images = store.tensor()
    if given is not None:
        images = images.expand(-1, max(images.shape[1], len(given.mean)), -1, -1).contiguous()
    names = _class_names(dataset, class_names, highest=max(labels))
    statistics = given or channel_statistics(images, names)
    return ImageSet(
        images=images,
        labels=torch.tensor(labels),
        class_names=names,
        mean=statistics.mean,
        std=statistics.std,
        source=_name(dataset) if source is None else source,
        statistics=statistics.origin,
    )


def _pixels(image: Any, position: int, image_size: int | None) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3)."""
    from PIL import Image

    if isinstance(image, Image.Image):
        return as_array(image, image_size=image_size, place=f"item {position}", source="dataset")
    pixels: Any = image
    if isinstance(image, Tensor):
        pixels = image.cpu().numpy() if image.dtype == torch.uint8 else None
        if pixels is not None and pixels.ndim == 3:
            pixels = pixels.transpose(1, 2, 0)
    if isinstance(pixels, np.ndarray) and pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if (
        not isinstance(pixels, np.ndarray)
        or pixels.dtype != np.uint8
        or pixels.size == 0
        or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3))
    ):
        floating = isinstance(image, Tensor) and image.is_floating_point()
        advice = "; drop ToTensor and Normalize from its transform" if floating else ""
        found = (
            f"array of {image.dtype} of shape {image.shape}"
            if isinstance(image, np.ndarray)
            else describe(image)
        )
        raise InputError(
            f"`dataset` must give PIL images, uint8 tensors (C, H, W) or uint8 arrays (H, W, C) of "
            f"1 or 3 channels, but the image of item {position} is {found}{advice}"
        )
    if image_size is None:
        return pixels
    whole = Image.fromarray(np.ascontiguousarray(pixels))
    return as_array(whole, image_size=image_size, place=f"item {position}", source="dataset")


def _label(label: Any, position: int) -> int:
    if isinstance(label, Tensor | np.ndarray) and label.ndim == 0:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, int | np.integer) or label < 0:
        raise InputError(
            f"`dataset` must have whole numbers from 0 as labels, but that of item {position} is "
            f"{label!r}"
        )
    return int(label)


def _class_names(
    dataset: Dataset[Any], given: Sequence[str] | None, *, highest: int
) -> tuple[str, ...]:
    if given is not None:
        return (given,) if isinstance(given, str) else tuple(given)
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    classes = getattr(dataset, "classes", None)
    if isinstance(classes, list | tuple) and classes:
        # torchvision's ImageNet has a tuple of synonyms a class.
        return tuple(", ".join(n) if isinstance(n, tuple) else str(n) for n in classes)
    return tuple(map(str, range(highest + 1)))


def _name(dataset: object) -> str:
    return type(dataset).__name__
