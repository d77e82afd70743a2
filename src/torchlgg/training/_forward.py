"""A network run on a batch, as the engine says. Shapes: N examples, C classes."""

from __future__ import annotations

import contextlib
import warnings
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from torchlgg.activations import Tapped, capture
from torchlgg.core import at_least_float32
from torchlgg.training._engine_config import EngineConfig, Precision
from torchlgg.training._pairing import TapNames
from torchlgg.training._view import View


class Forward:
    """A network run on a batch, as the engine says, with its taps.

    Args:
        net: the network.
        taps: its layers; ``None`` is none.
        engine: the precision, the layout of memory, and whether it is compiled.
    """

    def __init__(self, net: nn.Module, taps: TapNames | None, engine: EngineConfig) -> None:
        self.net = net
        self._taps = taps
        self._engine = engine
        self._tapped: Tapped | None = None
        if engine.compile is not None:
            self._tapped = Tapped(net, taps)
            mode = "reduce-overhead" if engine.compile == "cuda_graphs" else "default"
            # two sizes of batch at most: each has its own code, rather than one for any size
            self._compiled = torch.compile(self._tapped, mode=mode, dynamic=False)

    def __call__(self, images: Tensor) -> View:
        """The logits, in float32 at least, and the taps of (N, C, H, W) images."""
        if self._engine.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        with autocast(images.device, self._engine.precision):
            logits_NC, taps = self._run(images)
        return View(at_least_float32(logits_NC), taps)

    @property
    def compiled(self) -> bool:
        """Whether the network runs as compiled code, whose backward pass runs once."""
        return self._tapped is not None

    @property
    def half(self) -> bool:
        """Whether gradients pass through float16, which overflows."""
        return self._engine.precision == "float16"

    def close(self) -> None:
        """Leave no hook on the network."""
        if self._tapped is not None:
            self._tapped.remove()

    def _run(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if self._tapped is not None:
            with warnings.catch_warnings():
                # of torch's compiler, about itself
                warnings.simplefilter("ignore", FutureWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
                logits_NC, taps = self._compiled(images)
            self._tapped.check(taps)
            if self._engine.compile == "cuda_graphs":  # the next call writes where this one did
                return logits_NC.clone(), {name: tap.clone() for name, tap in taps.items()}
            return logits_NC, taps
        if self._taps is None:
            return self.net(images), {}
        with capture(self.net, self._taps) as captured:
            logits_NC = self.net(images)
        return logits_NC, dict(captured)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The block in which forward passes compute in ``precision``."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))
