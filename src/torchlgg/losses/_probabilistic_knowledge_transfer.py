"""Probabilistic knowledge transfer (PKT).

Passalis, Tefas, *Learning deep representations with probabilistic knowledge transfer*, ECCV 2018.
Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from torchlgg.core import check_option, exact_arithmetic, rounding, safe_divide, unit_rows
from torchlgg.graphs import gram
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._taps import Taps, mean_of, paired_taps, settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Reduction = Literal["mean", "sum"]

_REDUCTIONS = get_args(Reduction)

_TINY = 1e-7  # keeps the logarithm finite where a similarity is 0, as the authors' code does


def probabilistic_knowledge_transfer_loss(
    student: Taps,
    teacher: Taps,
    *,
    reduction: Reduction = "mean",
    group: ProcessGroup | None = None,
) -> Tensor:
    r"""How far the student's neighbour probabilities diverge from the teacher's.

    .. math:: \sum_{i ≠ j} p^T_{ij} \log\frac{p^T_{ij} + ε}{p^S_{ij} + ε}, \quad
              p_{ij} = \frac{K_{ij}}{\sum_{k ≠ i} K_{ik}}, \quad K = \tfrac12(1 + \cos)

    with ε = 1e-7.

    Args:
        student: (N, ...), or several taps in a sequence or mapping: the mean over taps.
        teacher: the same taps of the teacher, in order; widths may differ. No gradient flows into
            it.
        reduction: ``"mean"`` divides by the N(N − 1) ordered pairs; ``"sum"`` is the formula.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar, float32 or float64, ≥ 0 up to ε; 0 for N = 1. A dead (all-zero) example has
        cosine 0 with all others, with zero gradient.

    Raises:
        InputError: taps or examples that do not pair, NaN or infinity in a tap, or an unknown
            option.

    Example:
        >>> import torch
        >>> from torchlgg.losses import probabilistic_knowledge_transfer_loss
        >>> student = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> probabilistic_knowledge_transfer_loss(student, torch.eye(3), reduction="sum")
        tensor(0.0707)

    Reference:
        Passalis, Tefas, ECCV 2018.
    """
    where = "probabilistic_knowledge_transfer_loss"
    check_option(reduction, _REDUCTIONS, name="reduction", where=where)
    if group is not None:
        student, teacher = across_ranks(
            {"student": student, "teacher": teacher}, group, where=where
        )
    losses = []
    for s_ND, t_ND in paired_taps(student, teacher, where=where):
        with exact_arithmetic(s_ND):
            s_NN, t_NN = _probabilities(s_ND), _probabilities(t_ND)
            total = (t_NN * ((t_NN + _TINY).log() - (s_NN + _TINY).log())).sum()
        pairs = max(s_ND.shape[0] * (s_ND.shape[0] - 1), 1)
        losses.append(total if reduction == "sum" else total / pairs)
    return mean_of(losses)


def _probabilities(x_ND: Tensor) -> Tensor:
    kernel_NN = (1 + gram(unit_rows(x_ND))) / 2
    kernel_NN = kernel_NN.masked_fill(
        torch.eye(x_ND.shape[0], dtype=torch.bool, device=x_ND.device), 0.0
    )
    floor = x_ND.shape[0] * rounding(x_ND) / 4  # a sum of so many cosines is known to so much
    return safe_divide(kernel_NN, kernel_NN.sum(dim=1, keepdim=True), floor=floor)


class ProbabilisticKnowledgeTransferLoss(nn.Module):
    """:func:`probabilistic_knowledge_transfer_loss` with its settings kept; see there.

    Example:
        >>> from torchlgg.losses import ProbabilisticKnowledgeTransferLoss
        >>> ProbabilisticKnowledgeTransferLoss(reduction="sum")
        ProbabilisticKnowledgeTransferLoss(reduction='sum')
    """

    def __init__(self, *, reduction: Reduction = "mean", group: ProcessGroup | None = None) -> None:
        super().__init__()
        check_option(
            reduction,
            _REDUCTIONS,
            name="reduction",
            where="ProbabilisticKnowledgeTransferLoss",
        )
        self.reduction: Reduction = reduction
        self.group = group

    def forward(self, student: Taps, teacher: Taps) -> Tensor:
        """The loss of a batch."""
        return probabilistic_knowledge_transfer_loss(
            student, teacher, reduction=self.reduction, group=self.group
        )

    def extra_repr(self) -> str:
        """The settings."""
        return settings(reduction=self.reduction, group=self.group)
