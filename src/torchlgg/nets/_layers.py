"""What the networks of this folder share: sizes that are checked, ReLUs that are named, pooling.

Shapes: N examples, C channels, H and W the height and width of a map.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from torchlgg.core import InputError

_STEM_CHANNELS = 16


class GlobalAveragePool(nn.Module):
    """The mean over the positions of a map: (N, C, H, W) to (N, C), for maps of any size.

    On the 8x8 maps that a WideResNet makes of 32x32 images this is the 8x8 average pooling of
    the published network, flattened.

    Example:
        >>> import torch
        >>> GlobalAveragePool()(torch.arange(8.0).reshape(1, 2, 2, 2))
        tensor([[1.5000, 5.5000]])
    """

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Pool the maps; see the class."""
        return maps_NCHW.mean(dim=(-2, -1))


def relu_names(net: nn.Module) -> tuple[str, ...]:
    """The paths of every ``nn.ReLU`` of a network, in the order in which they were registered.

    Example:
        >>> relu_names(nn.Sequential(nn.ReLU(), nn.Flatten(), nn.ReLU()))
        ('0', '2')
    """
    return tuple(name for name, module in net.named_modules() if isinstance(module, nn.ReLU))


def check_count(value: object, *, name: str, where: str) -> None:
    """Raise :class:`~torchlgg.core.InputError` unless ``value`` is a whole number from 1 up.

    Example:
        >>> check_count(0, name="num_classes", where="build_net")
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: build_net: `num_classes` must be a whole number from 1 up, got 0
    """  # noqa: E501
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{where}: `{name}` must be a whole number from 1 up, got {value!r}")


def blocks_of_depth(depth: int, *, where: str) -> int:
    """The blocks in each of the three groups of a wide ResNet: n for a depth of 6n + 4.

    Raises:
        InputError: another depth; the nearest are named.

    Example:
        >>> blocks_of_depth(28, where="WideResNet")
        4
    """
    check_count(depth, name="depth", where=where)
    blocks, rest = divmod(depth - 4, 6)
    if blocks < 1 or rest:
        lower = max(10, depth - rest)
        raise InputError(
            f"{where}: `depth` must be 6n + 4 for n blocks a group (10, 16, 22, 28, ...), "
            f"got {depth}; the nearest are {lower} and {lower + 6}"
        )
    return blocks


def wide_channels(width: float, *, where: str) -> list[int]:
    """The channels of a wide ResNet: of the stem, and of the three groups, rounded down.

    Raises:
        InputError: a width that leaves the first group without a channel.

    Example:
        >>> wide_channels(10, where="WideResNet")
        [16, 160, 320, 640]
    """
    if not (math.isfinite(width) and _STEM_CHANNELS * width >= 1):
        raise InputError(
            f"{where}: `width` must be at least 1/16, so that the first group has a channel, "
            f"got {width}"
        )
    return [_STEM_CHANNELS, *(int(_STEM_CHANNELS * width * factor) for factor in (1, 2, 4))]
