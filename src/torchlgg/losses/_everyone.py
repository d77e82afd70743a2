"""The examples that sums run over: those of this process, or of all ranks of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from torchlgg.core import sum_over_ranks_

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


class Everyone(NamedTuple):
    """All examples, wherever they are.

    Attributes:
        examples: how many there are on all ranks.
        group: the ranks, or ``None``.
    """

    examples: int
    group: ProcessGroup | None = None

    def sum_(self, x: Tensor) -> Tensor:
        """A sum over this process's examples as that over all; ``x`` is overwritten."""
        return sum_over_ranks_(x, self.group)
