"""The arguments of a loss, whatever holds them, as those of the batch of all ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from torchlgg.core import count_rows, gather_batch
from torchlgg.losses._taps import listed_taps

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

_WITHOUT_GRADIENT = ("teacher", "teacher_logits")


@torch.compiler.disable  # type: ignore[untyped-decorator]
def across_ranks(
    arguments: Mapping[str, Any],
    group: ProcessGroup,
    *,
    where: str,
    counts: list[int] | None = None,
) -> list[Any]:
    """Each argument with the examples of all ranks, in the same sequence or mapping of taps.

    Args:
        arguments: name to tensor, sequence or mapping of tensors; a teacher's lose their gradient.
            Anything else stays as it is, for the checks that follow.
        group: the ranks.
        where: the public function that was called.
        counts: what :func:`rank_counts` gave; ``None`` asks it here.

    Raises:
        InputError: on every rank, where ranks disagree; see :func:`~torchlgg.core.gather_batch`.
    """
    gathered = gather_batch(_all_leaves(arguments), group, where=where, counts=counts)
    found: list[Any] = []
    for name, value in arguments.items():
        values = [gathered[tap] for tap, _ in leaves(value, name)]
        if isinstance(value, Mapping):
            found.append(dict(zip(value, values, strict=True)))
        else:
            found.append(values if _is_sequence(value) else values[0])
    return found


@torch.compiler.disable  # type: ignore[untyped-decorator]
def rank_counts(arguments: Mapping[str, Any], group: ProcessGroup, *, where: str) -> list[int]:
    """How many examples each rank has, for arguments as of :func:`across_ranks`."""
    return count_rows(_all_leaves(arguments), group, where=where)


def _all_leaves(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Every tensor by the name that errors give it."""
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        for tap, leaf in leaves(value, name):
            teaches = isinstance(leaf, Tensor) and name in _WITHOUT_GRADIENT
            found[tap] = leaf.detach() if teaches else leaf
    return found


def leaves(value: Any, name: str) -> list[tuple[str, Any]]:
    """The taps of one argument, or the argument itself where it holds none, with their names."""
    holds_taps = isinstance(value, Mapping) or _is_sequence(value)
    return listed_taps(value, name=name) if holds_taps else [(name, value)]


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
