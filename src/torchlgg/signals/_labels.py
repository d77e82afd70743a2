"""Labels as signals on a graph. Shapes: N examples, C classes."""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import InputError, at_least_float32, check_finite


def label_indicators(labels: Tensor, num_classes: int | None = None) -> Tensor:
    """The matrix Y of class indicators, one signal per class.

    Args:
        labels: what is known of each example, in one of three forms.

            - hard: (N,) whole numbers in [0, C); column c of Y is 1 where the label is c;
            - soft: (N, C) floating, such as probabilities or mixed labels; returned as they are;
            - multi-label: (N, C) boolean; True becomes 1.
        num_classes: C; ``None`` takes the largest hard label plus one, or the width of the matrix.

    Returns:
        (N, C), float32 (float64 for float64 soft labels).

    Raises:
        InputError: labels in none of the three forms, below 0, not below ``num_classes``, or not
            finite.

    Example:
        >>> import torch
        >>> from torchlgg import label_indicators
        >>> label_indicators(torch.tensor([0, 2, 0]))
        tensor([[1., 0., 0.],
                [0., 0., 1.],
                [1., 0., 0.]])
        >>> label_indicators(torch.tensor([[True, True], [False, True]]))
        tensor([[1., 1.],
                [0., 1.]])

    Reference:
        Lassance, Gripon, Ortega, Algorithms 14(2):39 (2021).
    """
    if not isinstance(labels, Tensor) or labels.numel() == 0 or labels.is_complex():
        raise InputError(_FORMS.format(came=_describe(labels)))
    if labels.ndim == 2 and (labels.is_floating_point() or labels.dtype == torch.bool):
        if num_classes is not None and labels.shape[1] != num_classes:
            raise InputError(
                f"label_indicators: `labels` has {labels.shape[1]} columns, but `num_classes` is "
                f"{num_classes}"
            )
        y_NC = at_least_float32(labels) if labels.is_floating_point() else labels.float()
        check_finite(y_NC, name="labels", where="label_indicators")
        return y_NC
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(_FORMS.format(came=_describe(labels)))
    if num_classes is not None and torch.compiler.is_compiling():  # cannot look at the labels
        return torch.nn.functional.one_hot(labels.long(), num_classes).float()
    smallest, largest = (int(value) for value in labels.aminmax())
    if smallest < 0:
        raise InputError(
            f"label_indicators: `labels` must not be negative, got {smallest}; an example without "
            "a label is a zero row of soft labels"
        )
    if num_classes is not None and largest >= num_classes:
        raise InputError(
            f"label_indicators: `labels` must lie in [0, {num_classes}), got {smallest} to "
            f"{largest}; raise `num_classes`"
        )
    count = largest + 1 if num_classes is None else num_classes
    return torch.nn.functional.one_hot(labels.long(), count).float()


_FORMS = (
    "label_indicators: `labels` must be whole numbers (N,), soft labels (N, C) in floating point, "
    "or booleans (N, C); got {came}"
)


def _describe(labels: object) -> str:
    if isinstance(labels, Tensor):
        return f"{labels.dtype} of shape {tuple(labels.shape)}"
    return type(labels).__name__
