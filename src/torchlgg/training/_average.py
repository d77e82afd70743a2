"""The running average of a network's weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def weight_average(student: nn.Module, decay: float) -> AveragedModel:
    """A network whose weights are a running average: after each step d × average + (1 − d) × new.

    The first update copies. Buffers of floating type, the statistics of batch norm, are averaged
    like weights, so that they stay those of the weights beside them.

    Args:
        student: the network that is trained.
        decay: d.
    """
    update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(student, multi_avg_fn=update, use_buffers=True)
    average.requires_grad_(False)
    # read in every update: on an accelerator each step would wait for it
    average.n_averaged = torch.zeros((), dtype=torch.long)
    return average
