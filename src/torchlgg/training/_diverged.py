"""Training that can no longer succeed: numbers that turned NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from torchlgg.core import InputError

_EVERY = 20  # steps between two looks at an accelerator's numbers, each of which waits for it


class DivergedError(InputError):
    """A term of the objective, or a weight, turned NaN or infinite.

    Example:
        >>> from torchlgg.core import InputError
        >>> from torchlgg.training import DivergedError
        >>> issubclass(DivergedError, InputError)
        True
    """


class TermSums:
    """The sums of the terms over the steps of an epoch, none of which may be NaN or infinite.

    On the CPU each step is looked at. An accelerator runs ahead of Python, and would be waited for
    at each look: there it is one look for every 20 steps and one at the epoch's end, which still
    names the first step that was not finite.

    Args:
        device: where the terms are.
        epoch: counted from 1, for the error.
    """

    def __init__(self, device: torch.device, epoch: int) -> None:
        self._every = 1 if device.type == "cpu" else _EVERY
        self._epoch = epoch
        self._unseen: list[Mapping[str, Tensor]] = []
        self._steps = 0
        self._sums: dict[str, float] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """The terms of one more step.

        Raises:
            DivergedError: a term of a step that was looked at is not finite.
        """
        self._unseen.append(values)
        if len(self._unseen) >= self._every:
            self.look()

    def look(self) -> None:
        """Look at all steps.

        Raises:
            DivergedError: a term is not finite, by name, with the first such step.
        """
        if not self._unseen:
            return
        rows = torch.stack([torch.stack(tuple(values.values())) for values in self._unseen])
        for values, row in zip(self._unseen, rows.tolist(), strict=True):
            self._steps += 1
            for name, number in zip(values, row, strict=True):
                if not math.isfinite(number):
                    raise DivergedError(
                        f"training diverged: the term {name!r} is {number} in step {self._steps} "
                        f"of epoch {self._epoch}; lower the learning rate or the weight of that "
                        "term"
                    )
                self._sums[name] = self._sums.get(name, 0.0) + number
        self._unseen.clear()

    def means(self) -> dict[str, float]:
        """The mean of each term over the steps.

        Raises:
            DivergedError: a term is not finite.
        """
        self.look()
        return {name: total / self._steps for name, total in self._sums.items()}


def check_weights(net: nn.Module, epoch: int) -> None:
    """Raise where weights are not finite: a gradient may be NaN where the terms are not.

    Args:
        net: the network.
        epoch: counted from 1, for the error.

    Raises:
        DivergedError: the first such weights, by name.
    """
    for name, weight in net.named_parameters():
        if not bool(torch.isfinite(weight.detach()).all()):
            raise DivergedError(
                f"training diverged: the weights {name!r} hold NaN or infinity after epoch "
                f"{epoch}; lower the learning rate"
            )
