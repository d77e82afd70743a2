"""One tap, or a list or mapping of taps: the same for every loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchlgg.core import InputError, check_same_rows, feature_matrix

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Taps = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
"""The representations of a batch: of one layer (N, ...), or of several, as ``capture`` yields."""


def named_taps(taps: Taps, *, name: str, where: str) -> list[tuple[str, Tensor]]:
    """Every tap as a checked (N, D) matrix, with the name that errors give it.

    Args:
        taps: one tensor (N, ...), a sequence of them, or a mapping from tap name to tensor.
        name: the argument's name.
        where: the public function that was called.
    """
    if not isinstance(taps, (Tensor, Mapping, Sequence)) or isinstance(taps, str):
        raise InputError(
            f"{where}: `{name}` must be a tensor (N, ...), a sequence of them or a mapping from "
            f"tap name to tensor, got {type(taps).__name__}"
        )
    listed = listed_taps(taps, name=name)
    if not listed:
        raise InputError(f"{where}: `{name}` holds no tap; pass at least one")
    return [(tap, feature_matrix(tensor, name=tap, where=where)) for tap, tensor in listed]


def listed_taps(taps: Taps, *, name: str) -> list[tuple[str, Tensor]]:
    """Every tap as it is, with the name that errors give it."""
    if isinstance(taps, Tensor):
        return [(name, taps)]
    if isinstance(taps, Mapping):
        return [(f"{name}[{tap!r}]", tensor) for tap, tensor in taps.items()]
    return [(f"{name}[{index}]", tensor) for index, tensor in enumerate(taps)]


def paired_taps(student: Taps, teacher: Taps, *, where: str) -> list[tuple[Tensor, Tensor]]:
    """Student and teacher taps in pairs, by order; the teacher's without gradient.

    Args:
        student: the student's taps.
        teacher: the teacher's taps, as many, in the same order; names and widths may differ.
        where: the public function that was called.

    Raises:
        InputError: different numbers of taps or of examples.
    """
    with torch.no_grad():
        teachers = named_taps(teacher, name="teacher", where=where)
    students = named_taps(student, name="student", where=where)
    if len(students) != len(teachers):
        raise InputError(
            f"{where}: `student` and `teacher` must hold the same number of taps, paired in "
            f"order: student has {len(students)}, teacher {len(teachers)}"
        )
    if isinstance(student, Mapping) and isinstance(teacher, Mapping):
        ours, theirs = list(student), list(teacher)
        if ours != theirs and set(ours) == set(theirs):
            raise InputError(
                f"{where}: `student` and `teacher` hold taps of the same names in another order, "
                f"and taps are paired by order: {', '.join(ours)} with {', '.join(theirs)}; put "
                "them in one order"
            )
    pairs = []
    for (s_name, s_ND), (t_name, t_ND) in zip(students, teachers, strict=True):
        check_same_rows(s_ND, t_ND, names=(s_name, t_name), where=where)
        check_same_rows(s_ND, students[0][1], names=(s_name, students[0][0]), where=where)
        pairs.append((s_ND, t_ND.detach().to(s_ND.dtype)))
    return pairs


def mean_of(values: list[Tensor]) -> Tensor:
    """The mean of the taps' losses, a scalar."""
    return torch.stack(values).mean()


def settings(*, group: ProcessGroup | None = None, **values: object) -> str:
    """The ``extra_repr`` of a loss module: ``name=value`` for every setting, a group by its size.

    Example:
        >>> settings(power=2, edges="all")
        "power=2, edges='all'"
    """
    shown = [f"{name}={value!r}" for name, value in values.items()]
    return ", ".join(shown + ([] if group is None else [f"group=<{group.size()} ranks>"]))
