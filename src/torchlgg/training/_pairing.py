"""Which taps of two networks are compared, in words."""

from __future__ import annotations

from typing import Literal

TapNames = tuple[str, ...] | Literal["auto", "relu"]
"""Module paths or globs; or the stages of a network, or its ReLUs (see :func:`capture`)."""

Pairing = Literal["order", "end", "name"]
"""How taps of two networks are paired: as many in order, from the last one back, or by name."""
