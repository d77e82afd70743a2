"""The mean and the standard deviation of each channel: published ones, or measured exactly.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from torchlgg.core import InputError
from torchlgg.data._fields import check_statistics

_CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


# fmt: off
_CIFAR100_CLASSES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle",
    "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle",
    "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
    "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox",
    "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom",
    "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake",
    "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle",
    "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
)
# fmt: on
_MISSPELT = {"cra": "crab"}  # in the parquet files of the Hugging Face hub


class ChannelStatistics(NamedTuple):
    """Mean and standard deviation a channel on the [0, 1] scale, and where they come from."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: Literal["published", "computed", "given"]


_CIFAR10 = ChannelStatistics((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), "published")
_CIFAR100 = ChannelStatistics((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761), "published")


def given_statistics(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> ChannelStatistics | None:
    """The statistics that a caller gives, checked, or None when there are none.

    Raises:
        InputError: when only one of the two is given, or they are not 1 or 3 fitting numbers.
    """
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        present, absent = ("std", "mean") if mean is None else ("mean", "std")
        raise InputError(f"`{absent}` must be given with `{present}`, got `{present}` alone")
    for name, values in (("mean", mean), ("std", std)):
        if not isinstance(values, tuple) or len(values) not in (1, 3):
            raise InputError(
                f"`{name}` must be a tuple of one number a channel, 1 or 3 in all, got {values!r}"
            )
        check_statistics(name, values, channels=len(mean))
    return ChannelStatistics(mean, std, "given")


def channel_statistics(images: Tensor, class_names: tuple[str, ...]) -> ChannelStatistics:
    """The statistics to normalise with, chosen by what the training images are.

    CIFAR-10, known by its ten class names in order and its shape (3, 32, 32), has the constants
    that its networks were trained with: mean (0.4914, 0.4822, 0.4465), std (0.2023, 0.1994,
    0.2010). (These deviations are smaller than those of the pixels, which are about 0.247, 0.243
    and 0.262; published weights expect them.) CIFAR-100, known in the same way by its hundred fine
    classes, has mean (0.5071, 0.4867, 0.4408) and std (0.2675, 0.2565, 0.2761). Everything else is
    measured: the population mean and standard deviation of all pixels, exact, because the 256
    values are counted. A channel of one value gets a standard deviation of 1, so that it
    normalises to zeros.

    Args:
        images: (N, C, H, W), uint8, the training images.
        class_names: the classes in order.

    Returns:
        One mean and one standard deviation a channel, on the scale where pixels run from 0 to 1.

    Example:
        >>> import torch
        >>> two = torch.tensor([0, 255, 7, 7], dtype=torch.uint8).view(1, 2, 1, 2)
        >>> channel_statistics(two, ("a", "b")).std
        (0.5, 1.0)
    """
    if images.shape[1:] == (3, 32, 32):
        if class_names == _CIFAR10_CLASSES:
            return _CIFAR10
        if tuple(_MISSPELT.get(name, name) for name in class_names) == _CIFAR100_CLASSES:
            return _CIFAR100
    values = torch.arange(256, dtype=torch.float64) / 255
    mean: list[float] = []
    std: list[float] = []
    for pixels in images.unbind(1):
        weights = torch.bincount(pixels.flatten(), minlength=256).double() / pixels.numel()
        center = weights @ values
        deviation = float((weights @ (values - center).square()).sqrt())
        constant = int(weights.count_nonzero()) == 1
        mean.append(float(center))
        std.append(1.0 if constant else deviation)
    return ChannelStatistics(tuple(mean), tuple(std), "computed")
