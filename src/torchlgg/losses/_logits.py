"""What the losses of logits ask of their two arguments. Shapes: N examples, C classes."""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import InputError, feature_matrix


def paired_logits(student: Tensor, teacher: Tensor, *, where: str) -> tuple[Tensor, Tensor]:
    """Student and teacher logits as finite (N, C); the teacher's without gradient."""
    for name, logits in (("student_logits", student), ("teacher_logits", teacher)):
        if isinstance(logits, Tensor) and logits.ndim != 2:
            raise InputError(
                f"{where}: `{name}` must be of shape (N, C), got {tuple(logits.shape)}"
            )
    with torch.no_grad():
        t_NC = feature_matrix(teacher, name="teacher_logits", where=where)
    s_NC = feature_matrix(student, name="student_logits", where=where)
    if s_NC.shape != t_NC.shape:
        raise InputError(
            f"{where}: `student_logits` and `teacher_logits` must describe the same examples and "
            f"classes: student {tuple(s_NC.shape)}, teacher {tuple(t_NC.shape)}"
        )
    return s_NC, t_NC.to(s_NC.dtype)
