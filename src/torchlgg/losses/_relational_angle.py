"""Relational knowledge distillation by angles (RKD-A).

Park et al., *Relational knowledge distillation*, CVPR 2019, arXiv 1904.05068.
Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from torchlgg.core import (
    exact_arithmetic,
    product,
    unit_rows,
)
from torchlgg.graphs import rounding_of_differences
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._taps import Taps, mean_of, paired_taps, settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def relational_angle_loss(
    student: Taps, teacher: Taps, *, group: ProcessGroup | None = None
) -> Tensor:
    r"""How far the angles that triples of examples span are from the teacher's.

    .. math:: \frac{1}{N(N-1)(N-2)} \sum_{i ≠ j ≠ k ≠ i} ℓ\big(\cos ∠ s_i s_j s_k -
              \cos ∠ t_i t_j t_k\big), \quad
              \cos ∠ x_i x_j x_k = \Big⟨\frac{x_i - x_j}{‖x_i - x_j‖},
              \frac{x_k - x_j}{‖x_k - x_j‖}\Big⟩

    with ℓ the Huber function with β = 1. Memory grows with N²D + N³.

    Args:
        student: (N, ...), or several taps in a sequence or mapping: the mean over taps.
        teacher: the same taps of the teacher, in order; widths may differ. No gradient flows into
            it.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64; 0 for N < 3. An angle at or towards a coincident example
        has cosine 0, with zero gradient.

    Raises:
        InputError: taps or examples that do not pair, or NaN or infinity in a tap.

    Example:
        >>> import torch
        >>> from torchlgg import relational_angle_loss
        >>> corner = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
        >>> line = torch.tensor([[1.0], [0.0], [2.0]])
        >>> relational_angle_loss(line, corner)
        tensor(0.5833)

    Reference:
        arXiv 1904.05068, section 3.2.2.
    """
    where = "relational_angle_loss"
    if group is not None:
        student, teacher = across_ranks(
            {"student": student, "teacher": teacher}, group, where=where
        )
    losses = []
    for s_ND, t_ND in paired_taps(student, teacher, where=where):
        count = s_ND.shape[0]
        with exact_arithmetic(s_ND):
            # a pair i = k has cosine 1 on both sides and a pair with j has 0: neither adds anything
            # unless a coincident example makes one of them 0, so the diagonal is left out
            total = functional.smooth_l1_loss(_cosines(s_ND), _cosines(t_ND), reduction="sum")
        losses.append(total / max(count * (count - 1) * (count - 2), 1))
    return mean_of(losses)


def _cosines(x_ND: Tensor) -> Tensor:
    """At [j, i, k] the cosine of the angle x_i x_j x_k; 0 unless the three are distinct."""
    directions_NND = unit_rows(
        x_ND[None, :, :] - x_ND[:, None, :], floor_N=rounding_of_differences(x_ND)
    )
    cosine_NNN = product(directions_NND, directions_NND.mT)
    same_NN = torch.eye(x_ND.shape[0], dtype=torch.bool, device=x_ND.device)
    return cosine_NNN.masked_fill(same_NN, 0.0)


class RelationalAngleLoss(nn.Module):
    """:func:`relational_angle_loss` as a module; see there.

    Example:
        >>> import torch
        >>> from torchlgg.losses import RelationalAngleLoss
        >>> RelationalAngleLoss()(torch.eye(3), torch.eye(3))
        tensor(0.)
    """

    def __init__(self, *, group: ProcessGroup | None = None) -> None:
        super().__init__()
        self.group = group

    def forward(self, student: Taps, teacher: Taps) -> Tensor:
        """The loss of a batch."""
        return relational_angle_loss(student, teacher, group=self.group)

    def extra_repr(self) -> str:
        """The settings."""
        return settings(group=self.group)
