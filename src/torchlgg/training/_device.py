"""Which device a run is on."""

from __future__ import annotations

import torch

from torchlgg.core import InputError, did_you_mean

_DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")


def choose_device(name: str) -> torch.device:
    """The device that a name stands for.

    Args:
        name: ``"auto"`` for the accelerator if there is one, else the CPU; or torch's name, such
            as ``"cpu"`` or ``"cuda:1"``.

    Raises:
        InputError: an unknown name, or a device that this machine does not have.

    Example:
        >>> from torchlgg.training import choose_device
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        accelerator = None
        if torch.accelerator.is_available():
            accelerator = torch.accelerator.current_accelerator()
        return accelerator or torch.device("cpu")
    if name.partition(":")[0] not in _DEVICES:
        raise InputError(
            f"`device` must be one of {', '.join(map(repr, _DEVICES))}; got {name!r}"
            f"{did_you_mean(name, _DEVICES)}"
        )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"the device {name!r} is not to be had on this machine; ask for 'auto' or 'cpu'"
        ) from error
    return device
