"""The distance of any two graphs of the same examples, some rows of both at a time.

Shapes: N examples, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import each_tile, exact_arithmetic
from torchlgg.graphs import GraphRows, GraphSpec, Within


def distance_by_tiles(
    s_ND: Tensor,
    t_ND: Tensor,
    spec: GraphSpec,
    within: Within | None,
    shared_mask: bool,
    tiles: list[slice],
) -> Tensor:
    """The squared Frobenius distance of the graphs of two sides.

    Args:
        s_ND: the student's features.
        t_ND: the teacher's, without gradient.
        spec: how the graphs are made.
        within: the pairs that are compared; ``None`` is all.
        shared_mask: the student's graph has the edges of the teacher's.
        tiles: the rows of each step, all of them in order.
    """
    with exact_arithmetic(s_ND):
        with torch.no_grad():
            teacher = GraphRows(t_ND, spec, tiles, within=within)
        mask_of = teacher if shared_mask else None
        student = GraphRows(s_ND, spec, tiles, within=within, mask_of=mask_of)
        totals = each_tile(
            lambda rows: (student.adjacency(rows) - teacher.adjacency(rows)).square().sum(), tiles
        )
        return torch.stack(totals).sum()
