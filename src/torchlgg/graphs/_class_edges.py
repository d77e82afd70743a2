"""The pairs of a batch that share a class, and those that do not. Shapes: N examples."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from torchlgg.core import InputError, check_option

Edges = Literal["all", "intra", "inter"]

_EDGES = get_args(Edges)


def class_edges(labels: Tensor, edges: Edges) -> Tensor:
    """The pairs of examples between which edges are wanted, as a mask.

    Args:
        labels: (N,), one whole-number class per example.
        edges: ``"all"`` pairs, ``"intra"``: of the same class, ``"inter"``: of different classes.

    Returns:
        Boolean (N, N), symmetric. ``"intra"`` contains the diagonal.

    Raises:
        InputError: labels that are not one whole number per example, or an unknown option.

    Example:
        >>> import torch
        >>> from torchlgg.graphs import class_edges
        >>> class_edges(torch.tensor([0, 1, 0]), "inter").int()
        tensor([[0, 1, 0],
                [1, 0, 1],
                [0, 1, 0]], dtype=torch.int32)
    """
    check_option(edges, _EDGES, name="edges", where="class_edges")
    check_class_labels(labels, where="class_edges")
    same_NN = labels[:, None] == labels[None, :]
    if edges == "intra":
        return same_NN
    return ~same_NN if edges == "inter" else torch.ones_like(same_NN)


def check_class_labels(labels: Tensor, *, where: str) -> None:
    """Raise :class:`~torchlgg.core.InputError` unless each example has one whole-number class.

    Args:
        labels: (N,).
        where: the public function that was called.

    Example:
        >>> import torch
        >>> from torchlgg.graphs import check_class_labels
        >>> check_class_labels(torch.tensor([0, 1]), where="a_loss")
    """
    if not isinstance(labels, Tensor):
        raise InputError(f"{where}: `labels` must be a tensor, got {type(labels).__name__}")
    if labels.ndim != 1 or labels.is_floating_point():
        raise InputError(
            f"{where}: `labels` must be one whole number per example, shape (N,), "
            f"got {labels.dtype} of shape {tuple(labels.shape)}"
        )
