"""Who is told of a run while it goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from torchlgg.training import EpochReport

Progress = Callable[[int, int], None]


class Observer:
    """Is told of a run while it goes on, and may stop it by an exception; this one is silent.

    Override what is of interest.

    Example:
        >>> from torchlgg.recipes import Observer
        >>> class Printing(Observer):
        ...     def epoch(self, report):
        ...         print(report.epoch)
    """

    def note(self, text: str) -> None:
        """Something worth a line.

        Args:
            text: the line.
        """

    def part(self, name: str) -> contextlib.AbstractContextManager[Progress]:
        """A part that takes a while begins, and ends with the block; the block tells how far it is.

        Args:
            name: in words.
        """
        return contextlib.nullcontext(lambda done, total: None)

    def training(self, epochs: int, *, finished: int) -> contextlib.AbstractContextManager[None]:
        """The training begins, and ends with the block.

        Args:
            epochs: of the whole run.
            finished: how many of them were done before.
        """
        return contextlib.nullcontext()

    def step(self, done: int, total: int) -> None:
        """A step is done.

        Args:
            done: steps of this epoch.
            total: steps of an epoch.
        """

    def epoch(self, report: EpochReport, epochs: int) -> None:
        """An epoch is done, and kept.

        Args:
            report: of the epoch.
            epochs: of the whole run.
        """

    def undisturbed(self) -> contextlib.AbstractContextManager[None]:
        """Files are written in the block: whoever wants to stop the run waits for its end."""
        return contextlib.nullcontext()
