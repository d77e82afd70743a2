"""Knowledge distillation from a stronger teacher (DIST).

Huang et al., NeurIPS 2022, arXiv 2205.10536. Shapes: N examples, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from torchlgg.core import centered, check_positive, exact_arithmetic, unit_rows
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._logits import paired_logits
from torchlgg.losses._taps import settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def dist_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: float = 1.0,
    group: ProcessGroup | None = None,
) -> Tensor:
    r"""How little the student's predictions correlate with the teacher's, by example and by class.

    .. math:: τ^2 \Big( \frac{β}{N} \sum_i \big(1 - ρ(p^S_{i:}, p^T_{i:})\big) +
              \frac{γ}{C} \sum_c \big(1 - ρ(p^S_{:c}, p^T_{:c})\big) \Big), \quad
              p = \mathrm{softmax}(\text{logits} / τ)

    with ρ Pearson's correlation.

    Args:
        student_logits: (N, C).
        teacher_logits: (N, C). No gradient flows into it.
        beta: β, the weight of the relations between classes, within an example.
        gamma: γ, the weight of the relations between examples, within a class.
        temperature: τ > 0.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar in [0, 2 τ² (β + γ)], float32 or float64. The correlation with a constant, such as
        that of a class over a batch of one, is 0, with zero gradient.

    Raises:
        InputError: logits of different shapes, NaN or infinity, or a temperature that is not
            positive.

    Example:
        >>> import torch
        >>> from torchlgg.losses import dist_loss
        >>> s = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        >>> t = torch.tensor([[3.0, 0.0, 0.0], [0.0, 2.0, 1.0]])
        >>> dist_loss(s, t)
        tensor(0.7010)

    Reference:
        arXiv 2205.10536.
    """
    where = "dist_loss"
    check_positive(temperature, name="temperature", where=where)
    if group is not None:
        student_logits, teacher_logits = across_ranks(
            {"student_logits": student_logits, "teacher_logits": teacher_logits}, group, where=where
        )
    s_NC, t_NC = paired_logits(student_logits, teacher_logits, where=where)
    with exact_arithmetic(s_NC):
        s_NC, t_NC = (s_NC / temperature).softmax(dim=1), (t_NC / temperature).softmax(dim=1)
        by_example = 1 - _correlations(s_NC, t_NC).mean()
        by_class = 1 - _correlations(s_NC.T, t_NC.T).mean()
        return temperature**2 * (beta * by_example + gamma * by_class)


def _correlations(x_ND: Tensor, y_ND: Tensor) -> Tensor:
    """Pearson's correlation of each row of x with the same row of y."""
    unit_x, unit_y = (unit_rows(rows, floor_N=floor) for rows, floor in map(_center, (x_ND, y_ND)))
    return (unit_x * unit_y).sum(dim=1)


def _center(x_ND: Tensor) -> tuple[Tensor, Tensor]:
    return centered(x_ND, dim=1)


class DistLoss(nn.Module):
    """:func:`dist_loss` with its settings kept; see there.

    Example:
        >>> from torchlgg.losses import DistLoss
        >>> DistLoss(temperature=4.0)
        DistLoss(beta=1.0, gamma=1.0, temperature=4.0)
    """

    def __init__(
        self,
        *,
        beta: float = 1.0,
        gamma: float = 1.0,
        temperature: float = 1.0,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        check_positive(temperature, name="temperature", where="DistLoss")
        self.beta = beta
        self.gamma = gamma
        self.temperature = temperature
        self.group = group

    def forward(self, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """The loss of a batch."""
        return dist_loss(
            student_logits,
            teacher_logits,
            beta=self.beta,
            gamma=self.gamma,
            temperature=self.temperature,
            group=self.group,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return settings(
            beta=self.beta, gamma=self.gamma, temperature=self.temperature, group=self.group
        )
