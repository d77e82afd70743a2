"""How often a classifier is wrong, and how often it says what its teacher says.

Shapes: N examples, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from torchlgg.core import InputError, check_same_rows


def error_rate(logits: Tensor, labels: Tensor) -> float:
    """The fraction of examples whose predicted class is not their label.

    The predicted class is the one with the largest logit, the first of them in a tie:
    #{i : argmax_c logits_ic != labels_i} / N.

    Args:
        logits: (N, C), any real scores, without NaN; infinity may mask a class.
        labels: (N,), integers from 0 to C - 1.

    Returns:
        A fraction in [0, 1], not a percentage.

    Raises:
        InputError: no example, shapes that do not fit, NaN, or a label outside the classes.

    Example:
        >>> logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0], [1.0, 0.0]])
        >>> error_rate(logits, torch.tensor([0, 1, 1, 0]))
        0.25
    """
    predicted_N = _predictions(logits, name="logits", where="error_rate")
    _check_labels(logits, labels, name="logits", where="error_rate")
    return _fraction(predicted_N != labels.to(predicted_N.device))


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How often student and teacher predict the same class; fractions in [0, 1].

    Args:
        overall: over all examples.
        teacher_right: over the examples that the teacher gets right; ``None`` if there are none.
        teacher_wrong: over those it gets wrong, so that the student makes the very same mistake;
            ``None`` if there are none.
        count: all examples.
        count_teacher_right: the examples the teacher gets right.
        count_teacher_wrong: the examples it gets wrong.

    Example:
        >>> Agreement(overall=0.5, teacher_right=0.5, teacher_wrong=None, count=2,
        ...           count_teacher_right=2, count_teacher_wrong=0).overall
        0.5
    """

    overall: float
    teacher_right: float | None
    teacher_wrong: float | None
    count: int
    count_teacher_right: int
    count_teacher_wrong: int


def agreement(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Agreement:
    """How often the student predicts the teacher's class, right or wrong.

    With s_i and t_i the classes of the largest logits (the first in a tie) and y_i the label:
    the mean of [s_i = t_i] over all i, over those with t_i = y_i, and over those with t_i != y_i.

    Args:
        student_logits: (N, C), without NaN.
        teacher_logits: (N, C), without NaN, for the same examples in the same order.
        labels: (N,), integers from 0 to C - 1.

    Returns:
        Three fractions in [0, 1] and the numbers of examples they are over; a fraction over no
        example is ``None``.

    Raises:
        InputError: no example, shapes that do not fit, NaN, or a label outside the classes.

    Example:
        >>> student = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [1.0, 0.0]])
        >>> teacher = torch.tensor([[1.0, 0.0], [4.0, 0.0], [2.0, 0.0], [5.0, 0.0]])
        >>> found = agreement(student, teacher, torch.tensor([0, 0, 0, 1]))
        >>> found.overall, found.teacher_wrong, found.count_teacher_wrong
        (0.75, 1.0, 1)
    """
    where = "agreement"
    student_N = _predictions(student_logits, name="student_logits", where=where)
    teacher_N = _predictions(teacher_logits, name="teacher_logits", where=where)
    check_same_rows(
        student_logits, teacher_logits, names=("student_logits", "teacher_logits"), where=where
    )
    if student_logits.shape[1] != teacher_logits.shape[1]:
        raise InputError(
            f"{where}: `student_logits` and `teacher_logits` must be over the same classes: "
            f"student_logits has {student_logits.shape[1]} columns, "
            f"teacher_logits {teacher_logits.shape[1]}"
        )
    _check_labels(teacher_logits, labels, name="teacher_logits", where=where)
    student_N, labels = student_N.to(teacher_N.device), labels.to(teacher_N.device)
    same_N = student_N == teacher_N
    right_N = teacher_N == labels
    right = int(right_N.sum())
    count = labels.shape[0]
    return Agreement(
        overall=_fraction(same_N),
        teacher_right=_fraction(same_N[right_N]) if right else None,
        teacher_wrong=_fraction(same_N[~right_N]) if right < count else None,
        count=count,
        count_teacher_right=right,
        count_teacher_wrong=count - right,
    )


def _fraction(flags_N: Tensor) -> float:
    return int(flags_N.sum()) / flags_N.shape[0]


def _predictions(logits: Tensor, *, name: str, where: str) -> Tensor:
    if not isinstance(logits, Tensor) or logits.ndim != 2 or 0 in logits.shape:
        got = (
            f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        )
        raise InputError(
            f"{where}: `{name}` must be a tensor (N, C) of at least one example and one class, "
            f"got {got}"
        )
    nan_N = logits.isnan().any(dim=1)
    if bool(nan_N.any()):
        raise InputError(
            f"{where}: `{name}` must not hold NaN; {int(nan_N.sum())} of its {len(nan_N)} rows do, "
            f"the first is row {int(nan_N.int().argmax())}"
        )
    return logits.detach().argmax(dim=1)


def _check_labels(logits: Tensor, labels: Tensor, *, name: str, where: str) -> None:
    if (
        not isinstance(labels, Tensor)
        or labels.ndim != 1
        or labels.is_floating_point()
        or labels.is_complex()
        or labels.dtype == torch.bool
    ):
        got = (
            f"{labels.dtype} of shape {tuple(labels.shape)}"
            if isinstance(labels, Tensor)
            else type(labels).__name__
        )
        raise InputError(f"{where}: `labels` must be a tensor (N,) of class numbers, got {got}")
    check_same_rows(logits, labels, names=(name, "labels"), where=where)
    low, high, classes = int(labels.min()), int(labels.max()), logits.shape[1]
    if low < 0 or high >= classes:
        raise InputError(
            f"{where}: `labels` must lie between 0 and {classes - 1}, the classes of `{name}`, "
            f"got {low if low < 0 else high}"
        )
