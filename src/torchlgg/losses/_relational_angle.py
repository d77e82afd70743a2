"""Relational knowledge distillation by angles (RKD-A).

Park et al., *Relational knowledge distillation*, CVPR 2019, arXiv 1904.05068.
Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from torchlgg.core import MAX_MEMORY, check_count, exact_arithmetic
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._angles import angles_apart
from torchlgg.losses._taps import Taps, mean_of, paired_taps, settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def relational_angle_loss(
    student: Taps,
    teacher: Taps,
    *,
    max_memory: int = MAX_MEMORY,
    group: ProcessGroup | None = None,
) -> Tensor:
    r"""How far the angles that triples of examples span are from the teacher's.

    .. math:: \frac{1}{N(N-1)(N-2)} \sum_{i ≠ j ≠ k ≠ i} ℓ\big(\cos ∠ s_i s_j s_k -
              \cos ∠ t_i t_j t_k\big), \quad
              \cos ∠ x_i x_j x_k = \Big⟨\frac{x_i - x_j}{‖x_i - x_j‖},
              \frac{x_k - x_j}{‖x_k - x_j‖}\Big⟩

    with ℓ the Huber function with β = 1. Time grows with N³D; memory is ``max_memory``, whatever N.

    Args:
        student: (N, ...), or several taps in a sequence or mapping: the mean over taps.
        teacher: the same taps of the teacher, in order; widths may differ. No gradient flows into
            it.
        max_memory: bytes for what has the size of all pairs or triples, which is made and used a
            tile at a time; 256 MiB. Features, gradients and, at the least, the vectors from one
            example to all others come on top. It does not change the value.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64; 0 for N < 3. An angle at or towards a coincident example
        has cosine 0, with zero gradient. It can be differentiated once, not twice.

    Raises:
        InputError: taps or examples that do not pair, or NaN or infinity in a tap,
            or a bound on memory that is not a whole number above 0.

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
    check_count(max_memory, name="max_memory", where=where)
    if group is not None:
        student, teacher = across_ranks(
            {"student": student, "teacher": teacher}, group, where=where
        )
    losses = []
    for s_ND, t_ND in paired_taps(student, teacher, where=where):
        count = s_ND.shape[0]
        with exact_arithmetic(s_ND):
            total = angles_apart(s_ND, t_ND, max_memory=max_memory)
        losses.append(total / max(count * (count - 1) * (count - 2), 1))
    return mean_of(losses)


class RelationalAngleLoss(nn.Module):
    """:func:`relational_angle_loss` with its settings kept; see there.

    Example:
        >>> import torch
        >>> from torchlgg.losses import RelationalAngleLoss
        >>> RelationalAngleLoss()(torch.eye(3), torch.eye(3))
        tensor(0.)
    """

    def __init__(self, *, max_memory: int = MAX_MEMORY, group: ProcessGroup | None = None) -> None:
        super().__init__()
        check_count(max_memory, name="max_memory", where="RelationalAngleLoss")
        self.max_memory = max_memory
        self.group = group

    def forward(self, student: Taps, teacher: Taps) -> Tensor:
        """The loss of a batch."""
        return relational_angle_loss(student, teacher, max_memory=self.max_memory, group=self.group)

    def extra_repr(self) -> str:
        """The settings."""
        return settings(max_memory=self.max_memory, group=self.group)
