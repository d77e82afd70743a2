"""Correlation congruence for knowledge distillation (CC).

Peng et al., ICCV 2019, arXiv 1904.01802. Shapes: N examples, D features.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor, nn

from torchlgg.core import check_count, check_positive, exact_arithmetic, unit_rows
from torchlgg.graphs import gram
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._taps import Taps, mean_of, paired_taps, settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def correlation_congruence_loss(
    student: Taps,
    teacher: Taps,
    *,
    gamma: float = 0.4,
    order: int = 2,
    group: ProcessGroup | None = None,
) -> Tensor:
    r"""How far the kernel matrix of the examples is from the teacher's.

    .. math:: \frac{1}{N^2} ‖K_S - K_T‖_F^2, \quad K_{ij} = \sum_{p=0}^{P} e^{-2γ}
              \frac{(2γ)^p}{p!} ⟨x_i, x_j⟩^p

    the Gaussian kernel :math:`\exp(-γ‖x_i - x_j‖^2)` of unit vectors, expanded to order P.

    Args:
        student: (N, ...), or several taps in a sequence or mapping: the mean over taps. Each
            example is divided by its norm.
        teacher: the same taps of the teacher, in order; widths may differ. No gradient flows into
            it.
        gamma: γ > 0.
        order: P ≥ 1.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64. A dead (all-zero) example has inner product 0 with all,
        with zero gradient.

    Raises:
        InputError: taps or examples that do not pair, NaN or infinity in a tap, γ that is not
            positive or an order below 1.

    Example:
        >>> import torch
        >>> from torchlgg.losses import correlation_congruence_loss
        >>> correlation_congruence_loss(torch.tensor([[1.0], [1.0]]), torch.eye(2))
        tensor(0.1266)

    Reference:
        arXiv 1904.01802.
    """
    where = "correlation_congruence_loss"
    _check_settings(gamma, order, where=where)
    if group is not None:
        student, teacher = across_ranks(
            {"student": student, "teacher": teacher}, group, where=where
        )
    losses = []
    for s_ND, t_ND in paired_taps(student, teacher, where=where):
        with exact_arithmetic(s_ND):
            difference_NN = _kernel(s_ND, gamma, order) - _kernel(t_ND, gamma, order)
            losses.append(difference_NN.square().mean())
    return mean_of(losses)


def _check_settings(gamma: float, order: int, *, where: str) -> None:
    check_positive(gamma, name="gamma", where=where)
    check_count(order, name="order", where=where)


def _kernel(x_ND: Tensor, gamma: float, order: int) -> Tensor:
    inner_NN = gram(unit_rows(x_ND))
    terms = [math.exp(-2 * gamma) * (2 * gamma) ** p / math.factorial(p) for p in range(order + 1)]
    kernel_NN = terms[-1] * inner_NN  # Horner, from the highest power down
    for term in reversed(terms[1:-1]):
        kernel_NN = (kernel_NN + term) * inner_NN
    return kernel_NN + terms[0]


class CorrelationCongruenceLoss(nn.Module):
    """:func:`correlation_congruence_loss` with its settings kept; see there.

    Example:
        >>> from torchlgg.losses import CorrelationCongruenceLoss
        >>> CorrelationCongruenceLoss(order=3)
        CorrelationCongruenceLoss(gamma=0.4, order=3)
    """

    def __init__(
        self, *, gamma: float = 0.4, order: int = 2, group: ProcessGroup | None = None
    ) -> None:
        super().__init__()
        _check_settings(gamma, order, where="CorrelationCongruenceLoss")
        self.gamma = gamma
        self.order = order
        self.group = group

    def forward(self, student: Taps, teacher: Taps) -> Tensor:
        """The loss of a batch."""
        return correlation_congruence_loss(
            student, teacher, gamma=self.gamma, order=self.order, group=self.group
        )

    def extra_repr(self) -> str:
        """The settings."""
        return settings(gamma=self.gamma, order=self.order, group=self.group)
