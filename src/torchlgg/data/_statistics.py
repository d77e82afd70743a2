"""The mean and the standard deviation of each channel: published ones, or measured exactly.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

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


class ChannelStatistics(NamedTuple):
    """Mean and standard deviation a channel on the [0, 1] scale, and where they come from."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: Literal["published", "computed"]


def channel_statistics(images: Tensor, class_names: tuple[str, ...]) -> ChannelStatistics:
    """The statistics to normalise with, chosen by what the training images are.

    CIFAR-10, known by its ten class names in order and its shape (3, 32, 32), has the constants
    that its networks were trained with: mean (0.4914, 0.4822, 0.4465), std (0.2023, 0.1994,
    0.2010). (These deviations are smaller than those of the pixels, which are about 0.247, 0.243
    and 0.262; published weights expect them.) Everything else is measured: the population mean
    and standard deviation of all pixels, exact, because the 256 values are counted. A channel of
    one value gets a standard deviation of 1, so that it normalises to zeros.

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
    if class_names == _CIFAR10_CLASSES and images.shape[1:] == (3, 32, 32):
        return ChannelStatistics((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), "published")
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
