"""Small networks to tap, and what is left on them afterwards."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def small_net() -> nn.Sequential:
    """Conv, BatchNorm and an in-place ReLU, then a linear layer; for images (N, 3, 6, 6)."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(64, 5),
    )


def images(count: int = 2, size: int = 6) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def hook_count(model: nn.Module) -> int:
    return sum(
        len(module._forward_hooks)
        + len(module._forward_pre_hooks)
        + len(module._forward_hooks_always_called)
        for module in model.modules()
    )
