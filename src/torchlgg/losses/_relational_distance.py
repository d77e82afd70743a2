"""Relational knowledge distillation by distances (RKD-D).

Park et al., *Relational knowledge distillation*, CVPR 2019, arXiv 1904.05068.
Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from torchlgg.core import exact_arithmetic, safe_divide, smallest_divisor
from torchlgg.graphs import pairwise_distances
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._taps import Taps, mean_of, paired_taps, settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def relational_distance_loss(
    student: Taps, teacher: Taps, *, group: ProcessGroup | None = None
) -> Tensor:
    r"""How far the student's relative distances between examples are from the teacher's.

    .. math:: \frac{1}{N(N-1)} \sum_{i ≠ j} ℓ\Big(\frac{‖s_i - s_j‖}{μ_S} -
              \frac{‖t_i - t_j‖}{μ_T}\Big)

    with μ the mean distance of the pairs i ≠ j of the batch and ℓ the Huber function with β = 1.
    Differences of the features are taken before the norm, so that a common offset or
    near-duplicates cost no digits.

    Args:
        student: (N, ...), or several taps in a sequence or mapping: the mean over taps.
        teacher: the same taps of the teacher, in order; widths may differ. No gradient flows into
            it.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64; 0 for N = 1. The relative distances of a collapsed batch
        are 0, with zero gradient.

    Raises:
        InputError: taps or examples that do not pair, or NaN or infinity in a tap.

    Example:
        >>> import torch
        >>> from torchlgg import relational_distance_loss
        >>> student = torch.tensor([[0.0], [1.0], [3.0]])
        >>> teacher = torch.tensor([[0.0], [1.0], [2.0]])
        >>> relational_distance_loss(student, teacher)
        tensor(0.0208)

    Reference:
        arXiv 1904.05068, section 3.2.1.
    """
    where = "relational_distance_loss"
    if group is not None:
        student, teacher = across_ranks(
            {"student": student, "teacher": teacher}, group, where=where
        )
    losses = []
    for s_ND, t_ND in paired_taps(student, teacher, where=where):
        with exact_arithmetic(s_ND):
            total = functional.smooth_l1_loss(
                _relative_distances(s_ND), _relative_distances(t_ND), reduction="sum"
            )
        losses.append(total / max(_ordered_pairs(s_ND), 1))
    return mean_of(losses)


def _relative_distances(x_ND: Tensor) -> Tensor:
    distance_NN = pairwise_distances(x_ND)
    mean = distance_NN.sum() / max(_ordered_pairs(x_ND), 1)
    return safe_divide(distance_NN, mean, floor=smallest_divisor(mean))


def _ordered_pairs(x_ND: Tensor) -> int:
    return x_ND.shape[0] * (x_ND.shape[0] - 1)


class RelationalDistanceLoss(nn.Module):
    """:func:`relational_distance_loss` as a module; see there.

    Example:
        >>> import torch
        >>> from torchlgg.losses import RelationalDistanceLoss
        >>> RelationalDistanceLoss()(torch.eye(3), torch.eye(3))
        tensor(0.)
    """

    def __init__(self, *, group: ProcessGroup | None = None) -> None:
        super().__init__()
        self.group = group

    def forward(self, student: Taps, teacher: Taps) -> Tensor:
        """The loss of a batch."""
        return relational_distance_loss(student, teacher, group=self.group)

    def extra_repr(self) -> str:
        """The settings."""
        return settings(group=self.group)
