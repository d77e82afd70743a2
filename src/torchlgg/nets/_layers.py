"""What the networks of this folder share: counts that are checked, ReLUs that are named, pooling.

Shapes: N examples, C channels, H and W the height and width of a map.
"""

from __future__ import annotations

from torch import Tensor, nn

from torchlgg.core import InputError


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
