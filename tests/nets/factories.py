"""What users may name as ``package.module:function``."""

from __future__ import annotations

import torch
from torch import nn


def both(num_classes: int, in_channels: int) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, num_classes))


def classes_only(*, num_classes: int, width: int = 3) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))


def neither() -> nn.Module:
    return nn.Flatten()


def by_keywords(**options: int) -> nn.Module:
    return both(**options)


def by_position(num_classes: int = 4, /) -> nn.Module:
    return nn.Linear(2, num_classes)


def fails(num_classes: int) -> nn.Module:
    raise RuntimeError(f"no room for {num_classes}\nclasses")


def no_network(num_classes: int) -> torch.Tensor:
    return torch.zeros(num_classes)


class Own(nn.Module):
    """A class does as well."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, num_classes)

    @staticmethod
    def wide(num_classes: int) -> nn.Module:
        return Own(100, num_classes)


network = nn.Linear(2, 2)
number = 3
