"""Relational knowledge distillation by distances (RKD-D).

Park et al., *Relational knowledge distillation*, CVPR 2019, arXiv 1904.05068.
Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from torchlgg.core import (
    MAX_MEMORY,
    check_count,
    each_tile,
    exact_arithmetic,
    safe_divide,
    smallest_divisor,
)
from torchlgg.graphs import pairwise_distances
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._taps import Taps, mean_of, paired_taps, settings
from torchlgg.losses._tiled import tiles_of_pairs

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def relational_distance_loss(
    student: Taps,
    teacher: Taps,
    *,
    max_memory: int = MAX_MEMORY,
    group: ProcessGroup | None = None,
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
        max_memory: bytes for what has the size of all pairs; 256 MiB. Where the matrices of all
            pairs need more, they are made a tile at a time, and again in backward. It does not
            change the value.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64; 0 for N = 1. The relative distances of a collapsed batch
        are 0, with zero gradient.

    Raises:
        InputError: taps or examples that do not pair, or NaN or infinity in a tap,
            or a bound on memory that is not a whole number above 0.

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
    check_count(max_memory, name="max_memory", where=where)
    if group is not None:
        student, teacher = across_ranks(
            {"student": student, "teacher": teacher}, group, where=where
        )
    losses = []
    for s_ND, t_ND in paired_taps(student, teacher, where=where):
        with exact_arithmetic(s_ND):
            total = _huber(s_ND, t_ND, tiles_of_pairs(s_ND, max_memory))
        losses.append(total / max(_ordered_pairs(s_ND), 1))
    return mean_of(losses)


def _huber(s_ND: Tensor, t_ND: Tensor, tiles: list[slice]) -> Tensor:
    """The sum over all pairs."""
    if len(tiles) == 1:  # the distances are needed twice, for their mean and as they are
        s_NN, t_NN = pairwise_distances(s_ND), pairwise_distances(t_ND)
        s_mean, t_mean = (_mean([d_NN.sum()], len(s_ND)) for d_NN in (s_NN, t_NN))
        return _apart(s_NN, s_mean, t_NN, t_mean)
    s_mean, t_mean = _mean_by_tiles(s_ND, tiles), _mean_by_tiles(t_ND, tiles)

    def of(rows: slice) -> Tensor:
        s_MN, t_MN = pairwise_distances(s_ND, rows), pairwise_distances(t_ND, rows)
        return _apart(s_MN, s_mean, t_MN, t_mean)

    return torch.stack(each_tile(of, tiles)).sum()


def _apart(s_MN: Tensor, s_mean: Tensor, t_MN: Tensor, t_mean: Tensor) -> Tensor:
    floor = smallest_divisor(s_mean)
    return functional.smooth_l1_loss(
        safe_divide(s_MN, s_mean, floor=floor),
        safe_divide(t_MN, t_mean, floor=floor),
        reduction="sum",
    )


def _mean_by_tiles(x_ND: Tensor, tiles: list[slice]) -> Tensor:
    return _mean(each_tile(lambda rows: pairwise_distances(x_ND, rows).sum(), tiles), len(x_ND))


def _mean(totals: list[Tensor], count: int) -> Tensor:
    return torch.stack(totals).sum() / max(count * (count - 1), 1)


def _ordered_pairs(x_ND: Tensor) -> int:
    return x_ND.shape[0] * (x_ND.shape[0] - 1)


class RelationalDistanceLoss(nn.Module):
    """:func:`relational_distance_loss` with its settings kept; see there.

    Example:
        >>> import torch
        >>> from torchlgg.losses import RelationalDistanceLoss
        >>> RelationalDistanceLoss()(torch.eye(3), torch.eye(3))
        tensor(0.)
    """

    def __init__(self, *, max_memory: int = MAX_MEMORY, group: ProcessGroup | None = None) -> None:
        super().__init__()
        check_count(max_memory, name="max_memory", where="RelationalDistanceLoss")
        self.max_memory = max_memory
        self.group = group

    def forward(self, student: Taps, teacher: Taps) -> Tensor:
        """The loss of a batch."""
        return relational_distance_loss(
            student, teacher, max_memory=self.max_memory, group=self.group
        )

    def extra_repr(self) -> str:
        """The settings."""
        return settings(max_memory=self.max_memory, group=self.group)
