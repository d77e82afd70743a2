"""Where the time of a training step goes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch


class Clock:
    """Seconds by part of a step, added up until they are taken.

    On an accelerator the clock waits for the device at the end of every part, so it runs for a
    sample of the steps only; see :meth:`tick`.

    Args:
        device: where the step runs.

    Example:
        >>> import torch
        >>> from torchlgg.training import Clock
        >>> clock = Clock(torch.device("cpu"))
        >>> clock.tick()
        >>> with clock("student"):
        ...     pass
        >>> list(clock.take())
        ['student']
    """

    _SAMPLE = 20  # one step in so many is timed on an accelerator

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: dict[str, float] = {}
        self._steps = 0
        self._running = False

    def tick(self) -> None:
        """A step begins."""
        self._running = self._device.type == "cpu" or self._steps % self._SAMPLE == 0
        self._steps += 1

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Add the time of the block to ``part``."""
        if not self._running:
            yield
            return
        started = self._now()
        yield
        self._seconds[part] = self._seconds.get(part, 0.0) + self._now() - started

    def take(self) -> dict[str, float]:
        """The seconds by part since they were last taken."""
        taken, self._seconds = self._seconds, {}
        return taken

    def _now(self) -> float:
        if self._device.type != "cpu":
            torch.accelerator.synchronize(self._device)
        return time.perf_counter()
