"""Attention transfer (AT).

Zagoruyko, Komodakis, ICLR 2017, arXiv 1612.03928. Shapes: N examples, C channels, H rows and W
columns of a feature map, P = H W positions, D = C P features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from torchlgg.core import InputError, check_count, exact_arithmetic, safe_divide, unit_rows
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._taps import Taps, listed_taps, mean_of, paired_taps, settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def attention_transfer_loss(
    student: Taps, teacher: Taps, *, power: int = 2, group: ProcessGroup | None = None
) -> Tensor:
    r"""How far apart student and teacher look, position by position.

    .. math:: \frac{1}{N P} \sum_i ‖ a^S_i - a^T_i ‖_2^2, \quad
              a_i = \frac{q_i}{‖q_i‖_2}, \quad q_i = \sum_c |F_{ic}|^p

    with F the feature maps, and the sum over channels taken at each position. This is the formula
    of the authors' code and of their weight, 1,000 times a *sum* over taps; their paper writes the
    norm without its square.

    Args:
        student: feature maps (N, C, H, W), or several taps in a sequence or mapping: the mean over
            taps.
        teacher: the same taps of the teacher, in order; the channels may differ, H and W may not.
            No gradient flows into it.
        power: p, a whole number, at least 1.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar in [0, 2 / P], float32 or float64. The attention of a dead (all-zero) example is
        0, with zero gradient.

    Raises:
        InputError: taps or examples that do not pair, a tap that is no feature map, maps of
            different height or width, NaN or infinity in a tap, or a power that is not a whole
            number above 0.

    Example:
        >>> import torch
        >>> from torchlgg.losses import attention_transfer_loss
        >>> student = torch.tensor([[[[1.0, 0.0]]]])  # looks left
        >>> teacher = torch.tensor([[[[3.0, 3.0]], [[0.0, 0.0]]]])  # looks everywhere
        >>> attention_transfer_loss(student, teacher)
        tensor(0.2929)

    Reference:
        arXiv 1612.03928, equation 2, activation-based with the sum of p-th powers.
    """
    where = "attention_transfer_loss"
    check_count(power, name="power", where=where)
    if group is not None:
        student, teacher = across_ranks(
            {"student": student, "teacher": teacher}, group, where=where
        )
    pairs = paired_taps(student, teacher, where=where)
    sizes = _common_sizes(student, teacher, where=where)
    losses = []
    for (s_ND, t_ND), positions in zip(pairs, sizes, strict=True):
        with exact_arithmetic(s_ND):
            s_NP, t_NP = (_attention(x_ND, positions, power) for x_ND in (s_ND, t_ND))
            losses.append((s_NP - t_NP).square().mean())
    return mean_of(losses)


def _common_sizes(student: Taps, teacher: Taps, *, where: str) -> list[int]:
    """P of each pair of taps, which must be feature maps of one height and width."""
    listed = (
        listed_taps(taps, name=name) for taps, name in ((student, "student"), (teacher, "teacher"))
    )
    sizes = []
    for pair in zip(*listed, strict=True):
        for name, tap in pair:
            if tap.ndim != 4:
                raise InputError(
                    f"{where}: `{name}` must be feature maps (N, C, H, W), got "
                    f"{tuple(tap.shape)}; leave out taps without positions"
                )
        (s_name, s_NCHW), (t_name, t_NCHW) = pair
        if s_NCHW.shape[2:] != t_NCHW.shape[2:]:
            raise InputError(
                f"{where}: `{s_name}` and `{t_name}` must have the same height and width: "
                f"{s_name} has {tuple(s_NCHW.shape[2:])}, {t_name} {tuple(t_NCHW.shape[2:])}; "
                "pair taps of equal resolution, or resize one of them"
            )
        sizes.append(s_NCHW.shape[2] * s_NCHW.shape[3])
    return sizes


def _attention(x_ND: Tensor, positions: int, power: int) -> Tensor:
    """The normalised attention of each example at each position, (N, P)."""
    # an example's scale cancels below; without it, no power of large features overflows
    scale_N1 = x_ND.detach().abs().amax(dim=1, keepdim=True)
    x_NCP = safe_divide(x_ND, scale_N1).reshape(len(x_ND), -1, positions)
    return unit_rows(x_NCP.abs().pow(power).sum(dim=1))


class AttentionTransferLoss(nn.Module):
    """:func:`attention_transfer_loss` with its settings kept; see there.

    Example:
        >>> from torchlgg.losses import AttentionTransferLoss
        >>> AttentionTransferLoss()
        AttentionTransferLoss(power=2)
    """

    def __init__(self, *, power: int = 2, group: ProcessGroup | None = None) -> None:
        super().__init__()
        check_count(power, name="power", where="AttentionTransferLoss")
        self.power = power
        self.group = group

    def forward(self, student: Taps, teacher: Taps) -> Tensor:
        """The loss of a batch."""
        return attention_transfer_loss(student, teacher, power=self.power, group=self.group)

    def extra_repr(self) -> str:
        """The settings."""
        return settings(power=self.power, group=self.group)
