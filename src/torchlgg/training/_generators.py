"""The generators of random numbers that layers draw from: those of the process."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def global_generators(device: torch.device) -> dict[str, Tensor]:
    """The states of the CPU's generator, and of that of ``device``, by kind of device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def set_global_generators(device: torch.device, states: Mapping[str, Tensor]) -> None:
    """Put ``states`` back; one without a state stays as it is."""
    torch.set_rng_state(states["cpu"])
    if device.type in states and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type])
