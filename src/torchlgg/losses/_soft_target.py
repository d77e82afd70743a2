"""Knowledge distillation by soft targets (HKD).

Hinton, Vinyals, Dean, *Distilling the knowledge in a neural network*, arXiv 1503.02531.
Shapes: N examples, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from torch import Tensor, nn

from torchlgg.core import check_option, check_positive, exact_arithmetic
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._logits import paired_logits
from torchlgg.losses._taps import settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Scale = Literal["none", "temperature_squared"]

SCALES = get_args(Scale)


def soft_target_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    temperature: float,
    scale: Scale = "none",
    group: ProcessGroup | None = None,
) -> Tensor:
    r"""The divergence of the student's softened predictions from the teacher's.

    .. math:: \frac1N \sum_i \mathrm{KL}\big(\mathrm{softmax}(t_i/τ) \,\|\,
              \mathrm{softmax}(s_i/τ)\big)

    Args:
        student_logits: s, (N, C).
        teacher_logits: t, (N, C). No gradient flows into it.
        temperature: τ > 0; the graph papers use 4.
        scale: ``"temperature_squared"`` multiplies by τ², which keeps the size of the gradient when
            τ changes, as Hinton et al. advise; ``"none"`` does not, as in the graph papers, whose
            weight of 16 is that factor.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64; 0 where the softened predictions are equal.

    Raises:
        InputError: logits of different shapes, NaN or infinity, a temperature that is not
            positive, or an unknown option.

    Example:
        >>> import torch
        >>> from torchlgg import soft_target_loss
        >>> s, t = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]])
        >>> soft_target_loss(s, t, temperature=4.0)
        tensor(0.0287)

    Reference:
        arXiv 1503.02531, section 2.
    """
    where = "soft_target_loss"
    _check_settings(temperature, scale, where=where)
    if group is not None:
        student_logits, teacher_logits = across_ranks(
            {"student_logits": student_logits, "teacher_logits": teacher_logits}, group, where=where
        )
    s_NC, t_NC = paired_logits(student_logits, teacher_logits, where=where)
    with exact_arithmetic(s_NC):
        log_s_NC = (s_NC / temperature).log_softmax(dim=1)
        log_t_NC = (t_NC / temperature).log_softmax(dim=1)
        divergence = (log_t_NC.exp() * (log_t_NC - log_s_NC)).sum(dim=1).mean()
    return divergence * temperature**2 if scale == "temperature_squared" else divergence


def _check_settings(temperature: float, scale: Scale, *, where: str) -> None:
    check_positive(temperature, name="temperature", where=where)
    check_option(scale, SCALES, name="scale", where=where)


class SoftTargetLoss(nn.Module):
    """:func:`soft_target_loss` with its settings kept; see there.

    Example:
        >>> from torchlgg.losses import SoftTargetLoss
        >>> SoftTargetLoss(temperature=4.0)
        SoftTargetLoss(temperature=4.0, scale='none')
    """

    def __init__(
        self, *, temperature: float, scale: Scale = "none", group: ProcessGroup | None = None
    ) -> None:
        super().__init__()
        _check_settings(temperature, scale, where="SoftTargetLoss")
        self.temperature = temperature
        self.scale: Scale = scale
        self.group = group

    def forward(self, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """The loss of a batch."""
        return soft_target_loss(
            student_logits,
            teacher_logits,
            temperature=self.temperature,
            scale=self.scale,
            group=self.group,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return settings(temperature=self.temperature, scale=self.scale, group=self.group)
