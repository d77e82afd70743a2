"""Ends that are not the end of the work: Ctrl-C, SIGTERM, a time budget."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from torchlgg.core import InputError

_UNITS = {"s": 1, "m": 60, "h": 3600}


class Stopped(KeyboardInterrupt):
    """A signal that asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class OutOfTime(Exception):  # noqa: N818  (no error)
    """The time budget is used up."""


@contextlib.contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Give Ctrl-C and SIGTERM to a handler in the block, in the main thread.

    Args:
        handler: called with the number of the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    # what is ignored already, as under nohup or in the background of a shell, stays ignored
    before = {kind: signal.getsignal(kind) for kind in kinds}
    for kind in kinds:
        if before[kind] is not signal.SIG_IGN:
            signal.signal(kind, handler)
    try:
        yield
    finally:
        for kind, earlier in before.items():
            signal.signal(kind, earlier)


class Signals:
    """Ctrl-C and SIGTERM, as an exception: at once, but never in the middle of a write.

    After the first, a second Ctrl-C ends the process at once, as the system does it.
    """

    def __init__(self) -> None:
        self._writing = False
        self._waiting: int | None = None

    def caught(self) -> contextlib.AbstractContextManager[None]:
        """Raise :class:`Stopped` in the block for either signal."""
        return handled_by(self._on_signal)

    @contextlib.contextmanager
    def wait(self) -> Iterator[None]:
        """Put a signal off until the block is done, and the one around it, if there is one."""
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before
        if not before:
            self.check()

    def check(self) -> None:
        """Raise :class:`Stopped` for a signal that was put off."""
        if self._waiting is not None:
            raise Stopped(self._waiting)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # `timeout` sends it twice
        if self._writing:
            self._waiting = number
        else:
            raise Stopped(number)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[Signals]:
    """End the process with the signal's exit code, 130 or 143, and one sentence.

    The sentence is that of a run which has not begun: one that has says more, and goes before it.
    """
    signals = Signals()
    with signals.caught():
        try:
            yield signals
        except Stopped as stop:
            print(f"lgg: {stop} came before the training began", file=sys.stderr)
            sys.exit(stop.exit_code)


class TimeBudget:
    """So much time from now on; none is without end.

    Args:
        words: such as ``"90s"``, ``"9m"`` or ``"1.5h"``.

    Raises:
        InputError: words that are no time.
    """

    def __init__(self, words: str | None) -> None:
        self._words = words
        self._deadline = float("inf")
        self._epochs: list[float] = []
        if words is not None:
            self._deadline = time.monotonic() + _seconds(words)
        self._begun = time.monotonic()

    @property
    def remaining(self) -> float:
        """Seconds that are left; infinite without a budget."""
        return self._deadline - time.monotonic()

    def begin(self) -> None:
        """An epoch begins."""
        self._begun = time.monotonic()

    def check(self) -> None:
        """Raise :class:`OutOfTime` if the time is over."""
        if time.monotonic() > self._deadline:
            raise OutOfTime(f"the time budget of {self._words} is over")

    def end(self) -> None:
        """An epoch ended; raise :class:`OutOfTime` if another like the last three does not fit."""
        now = time.monotonic()
        self._epochs.append(now - self._begun)
        self._begun = now
        if now + max(self._epochs[-3:]) > self._deadline:
            raise OutOfTime(f"the time budget of {self._words} has no room for another epoch")


def _seconds(words: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", words.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if seconds <= 0:
        raise InputError(
            f"`--time-budget` must be a number of seconds, minutes or hours, such as 90s, 9m or "
            f"2h; got {words!r}"
        )
    return seconds
