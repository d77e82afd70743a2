"""Similarity-preserving knowledge distillation (SP).

Tung, Mori, ICCV 2019, arXiv 1907.09682. Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from torchlgg.core import exact_arithmetic, unit_rows
from torchlgg.graphs import gram
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._row_normalized import row_normalized_distance, row_sums_pay
from torchlgg.losses._taps import Taps, mean_of, paired_taps, settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def similarity_preserving_loss(
    student: Taps, teacher: Taps, *, group: ProcessGroup | None = None
) -> Tensor:
    r"""How far the row-normalised inner products of the examples are from the teacher's.

    .. math:: \frac{1}{N^2} ‖ G_S - G_T ‖_F^2, \quad G = \text{rows of } X X^⊤ \text{ divided by
              their Euclidean norm}

    Where sums over examples cost less than the N × N matrices, they take their place: O(N D²) time
    and O(N D + D²) memory.

    Args:
        student: (N, ...), or several taps in a sequence or mapping: the mean over taps.
        teacher: the same taps of the teacher, in order; widths may differ. No gradient flows into
            it.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64. The row of a dead (all-zero) example is zero, with zero
        gradient.

    Raises:
        InputError: taps or examples that do not pair, or NaN or infinity in a tap.

    Example:
        >>> import torch
        >>> from torchlgg import similarity_preserving_loss
        >>> similarity_preserving_loss(torch.tensor([[1.0], [1.0]]), torch.eye(2))
        tensor(0.2929)

    Reference:
        arXiv 1907.09682.
    """
    where = "similarity_preserving_loss"
    if group is not None:
        student, teacher = across_ranks(
            {"student": student, "teacher": teacher}, group, where=where
        )
    losses = []
    for s_ND, t_ND in paired_taps(student, teacher, where=where):
        with exact_arithmetic(s_ND):
            losses.append(_squared_distance(s_ND, t_ND) / len(s_ND) ** 2)
    return mean_of(losses)


def _squared_distance(s_ND: Tensor, t_ND: Tensor) -> Tensor:
    if row_sums_pay(len(s_ND), s_ND.shape[1], t_ND.shape[1]):
        return row_normalized_distance(s_ND, t_ND)
    return (unit_rows(gram(s_ND)) - unit_rows(gram(t_ND))).square().sum()


class SimilarityPreservingLoss(nn.Module):
    """:func:`similarity_preserving_loss` as a module; see there.

    Example:
        >>> import torch
        >>> from torchlgg.losses import SimilarityPreservingLoss
        >>> SimilarityPreservingLoss()(torch.eye(3), torch.eye(3))
        tensor(0.)
    """

    def __init__(self, *, group: ProcessGroup | None = None) -> None:
        super().__init__()
        self.group = group

    def forward(self, student: Taps, teacher: Taps) -> Tensor:
        """The loss of a batch."""
        return similarity_preserving_loss(student, teacher, group=self.group)

    def extra_repr(self) -> str:
        """The settings."""
        return settings(group=self.group)
