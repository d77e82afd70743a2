"""Batches that hold the same number of examples of each of their classes.

Shapes: N examples of a set, B of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torchlgg.core import InputError
from torchlgg.data._fields import describe


def balanced_batches(
    labels: Tensor, *, classes: int, examples: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """One pass of batches of P classes with K examples each, for losses on graphs.

    A pass has floor(N / (P * K)) batches, but at least one, so that it visits about as many
    examples as there are. The classes are drawn in shuffled rounds: each class comes once before
    any comes again, so after any number of batches two classes differ by one visit at most.
    The examples of a class are drawn in shuffled rounds in the same way: none comes again before
    all of its class came. So every class has the same weight however many images it has: of large
    classes a pass leaves some images out, of small ones it repeats them. A batch holds an image
    twice only when its class has fewer than K.

    Args:
        labels: (N,), int64; only classes that occur in it count.
        classes: P, different classes a batch, at least 1.
        examples: K, examples of each, at least 1.
        generator: the only source of randomness; the same state gives the same batches.

    Returns:
        One (P * K,) int64 tensor of positions a batch, on the CPU, class by class.

    Raises:
        InputError: when ``labels`` is not a row of whole numbers, a number is below 1, or fewer
            classes occur than are asked for.

    Example:
        >>> import torch
        >>> from torchlgg.data import balanced_batches
        >>> labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2])
        >>> order = torch.Generator().manual_seed(0)
        >>> plan = balanced_batches(labels, classes=2, examples=2, generator=order)
        >>> [labels[batch].tolist() for batch in plan]
        [[2, 2, 0, 0], [1, 1, 2, 2]]

    Source: A. Hermans, L. Beyer, B. Leibe, In defense of the triplet loss for person
    re-identification, 2017, section 2, where such batches are called PK.
    """
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.ndim != 1:
        raise InputError(f"`labels` must be an int64 tensor (N,), got {describe(labels)}")
    for name, value in (("classes", classes), ("examples", examples)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"`{name}` must be a whole number of at least 1, got {value!r}")
    found = labels.cpu().numpy()
    present = np.unique(found)
    if len(present) < classes:
        raise InputError(
            f"`classes` must be at most the number of classes that have images, {len(present)}, "
            f"got {classes}"
        )
    members = [_Rounds(np.flatnonzero(found == label).tolist(), generator) for label in present]
    order = _Rounds(range(len(members)), generator)
    count = max(1, len(labels) // (classes * examples))
    return tuple(
        torch.tensor(
            [row for which in order.draw(classes) for row in members[which].draw(examples)]
        )
        for _ in range(count)
    )


class _Rounds:
    """Draws items in shuffled rounds: each comes once before any comes again."""

    def __init__(self, items: Sequence[int], generator: torch.Generator) -> None:
        self._items = items
        self._generator = generator
        self._left: list[int] = []

    def draw(self, count: int) -> list[int]:
        """The next items; the same twice only where there are fewer items than ``count``."""
        drawn = self._left[:count]
        self._left = self._left[count:]
        while len(drawn) < count:
            # A new round begins within this draw: what the draw holds already waits in the round.
            fresh = self._shuffled()
            held = set(drawn) if len(drawn) < len(self._items) else set()
            usable = [item for item in fresh if item not in held][: count - len(drawn)]
            taken = set(usable)
            self._left = [item for item in fresh if item not in taken]
            drawn += usable
            while self._left and len(drawn) < count:
                drawn.append(self._left.pop(0))
        return drawn

    def _shuffled(self) -> list[int]:
        count, generator = len(self._items), self._generator
        order = torch.randperm(count, generator=generator, device=generator.device)
        return [self._items[position] for position in order.tolist()]
