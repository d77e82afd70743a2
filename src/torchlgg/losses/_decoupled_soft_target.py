"""Decoupled knowledge distillation (DKD).

Zhao et al., CVPR 2022, arXiv 2203.08679. Shapes: N examples, C classes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from torchlgg.core import InputError, check_labels, check_option, check_positive, exact_arithmetic
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._logits import paired_logits
from torchlgg.losses._soft_target import SCALES, Scale
from torchlgg.losses._taps import settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def decoupled_soft_target_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    alpha: float = 1.0,
    beta: float = 8.0,
    scale: Scale = "none",
    group: ProcessGroup | None = None,
) -> Tensor:
    r"""The soft-target loss in its two parts, the target class and the others, weighed apart.

    .. math:: \frac1N \sum_i \Big( α\, \mathrm{KL}(b^T_i \,\|\, b^S_i) +
              β\, \mathrm{KL}(q^T_i \,\|\, q^S_i) \Big)

    with p = softmax(logits/τ), b = (p of the target class, 1 − p of the target class), and q the
    distribution of the other classes among themselves. Where α is 1 and β the teacher's
    probability of the other classes, example by example, this is
    :func:`~torchlgg.soft_target_loss`.

    Args:
        student_logits: (N, C).
        teacher_logits: (N, C). No gradient flows into it.
        labels: (N,), the target class of each example, a whole number in [0, C).
        temperature: τ > 0; the paper uses 4 on CIFAR-100.
        alpha: α ≥ 0, the weight of the target class against the rest.
        beta: β ≥ 0, the weight of the relations among the other classes; the paper chooses it by
            pair of networks, 8 for most of its ResNets on CIFAR-100.
        scale: ``"temperature_squared"`` multiplies by τ², as the authors' code does; ``"none"``
            does not.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64. With two classes the second part is 0, with one class
        everything; both with zero gradient. A certain teacher, or logits in the hundreds, stay
        finite: nothing leaves the logarithms.

    Raises:
        InputError: logits of different shapes, NaN or infinity, labels that are not one class per
            example, a temperature that is not positive, or a negative weight.

    Example:
        >>> import torch
        >>> from torchlgg.losses import decoupled_soft_target_loss
        >>> s, t = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[3.0, 0.0, 1.0]])
        >>> decoupled_soft_target_loss(s, t, torch.tensor([0]), temperature=4.0)
        tensor(0.0787)

    Reference:
        arXiv 2203.08679, equation 7.
    """
    where = "decoupled_soft_target_loss"
    _check_settings(temperature, alpha, beta, scale, where=where)
    if group is not None:
        student_logits, teacher_logits, labels = across_ranks(
            {"student_logits": student_logits, "teacher_logits": teacher_logits, "labels": labels},
            group,
            where=where,
        )
    s_NC, t_NC = paired_logits(student_logits, teacher_logits, where=where)
    others_NC = _other_classes(labels, s_NC, where=where)
    if s_NC.shape[1] == 1:
        return 0.0 * s_NC.sum()
    target_N1 = labels.long()[:, None]
    with exact_arithmetic(s_NC):
        s_margin_N, log_qs_NC = _parts(s_NC / temperature, target_N1, others_NC)
        t_margin_N, log_qt_NC = _parts(t_NC / temperature, target_N1, others_NC)
        target_N = _divergence(
            torch.stack([logsigmoid(t_margin_N), logsigmoid(-t_margin_N)], dim=1),
            torch.stack([logsigmoid(s_margin_N), logsigmoid(-s_margin_N)], dim=1),
        )
        others_N = _divergence(log_qt_NC, log_qs_NC)
        loss = (alpha * target_N + beta * others_N).mean()
    return loss * temperature**2 if scale == "temperature_squared" else loss


def _other_classes(labels: Tensor, logits_NC: Tensor, *, where: str) -> Tensor:
    """The classes of each example without its own, (N, C - 1)."""
    count, classes = logits_NC.shape
    check_labels(labels, count=count, where=where)
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(
            f"{where}: `labels` must be one whole number per example, shape (N,), "
            f"got {labels.dtype} of shape {tuple(labels.shape)}"
        )
    if not torch.compiler.is_compiling():  # a compiler cannot look at the labels
        smallest, largest = (int(value) for value in labels.aminmax())
        if smallest < 0 or largest >= classes:
            raise InputError(
                f"{where}: `labels` must lie in [0, {classes}), the classes of the logits; got "
                f"{smallest} to {largest}"
            )
    before = torch.arange(classes - 1, device=logits_NC.device)
    return before + (before >= labels.long()[:, None]).long()


def _parts(z_NC: Tensor, target_N1: Tensor, others_NC: Tensor) -> tuple[Tensor, Tensor]:
    """log(p_target / p_rest) of each example, and the log-probabilities among the rest."""
    rest_NC = z_NC.gather(1, others_NC)
    margin_N = z_NC.gather(1, target_N1).squeeze(1) - rest_NC.logsumexp(dim=1)
    return margin_N, rest_NC.log_softmax(dim=1)


def _divergence(log_p_NC: Tensor, log_q_NC: Tensor) -> Tensor:
    """KL(p || q) of each row."""
    return (log_p_NC.exp() * (log_p_NC - log_q_NC)).sum(dim=1)


def _check_settings(
    temperature: float, alpha: float, beta: float, scale: Scale, *, where: str
) -> None:
    check_positive(temperature, name="temperature", where=where)
    check_option(scale, SCALES, name="scale", where=where)
    for name, weight in (("alpha", alpha), ("beta", beta)):
        if not 0 <= weight < math.inf:
            raise InputError(f"{where}: `{name}` must be at least 0; got {weight!r}")


class DecoupledSoftTargetLoss(nn.Module):
    """:func:`decoupled_soft_target_loss` with its settings kept; see there.

    Example:
        >>> from torchlgg.losses import DecoupledSoftTargetLoss
        >>> DecoupledSoftTargetLoss(temperature=4.0)
        DecoupledSoftTargetLoss(temperature=4.0, alpha=1.0, beta=8.0, scale='none')
    """

    def __init__(
        self,
        *,
        temperature: float,
        alpha: float = 1.0,
        beta: float = 8.0,
        scale: Scale = "none",
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        _check_settings(temperature, alpha, beta, scale, where="DecoupledSoftTargetLoss")
        self.temperature = temperature
        self.alpha = alpha
        self.beta = beta
        self.scale: Scale = scale
        self.group = group

    def forward(self, student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch."""
        return decoupled_soft_target_loss(
            student_logits,
            teacher_logits,
            labels,
            temperature=self.temperature,
            alpha=self.alpha,
            beta=self.beta,
            scale=self.scale,
            group=self.group,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return settings(
            temperature=self.temperature,
            alpha=self.alpha,
            beta=self.beta,
            scale=self.scale,
            group=self.group,
        )
