"""How a run is carried out: what does not change what is trained."""

from __future__ import annotations

from dataclasses import dataclass

from torchlgg.training._pairing import TapNames


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """How a run is carried out.

    Args:
        device: ``"auto"`` is the accelerator if there is one, else the CPU.
        watch: the taps whose label smoothness is measured after every epoch; ``None`` is none.

    Example:
        >>> from torchlgg.training import EngineConfig
        >>> EngineConfig().device
        'auto'
    """

    device: str = "auto"
    watch: TapNames | None = None
