"""Complete graphs of the batch of all ranks, for which sums travel and no example does.

What ranks send for a tap are the D × D products and the D-vectors of the sums over examples,
whatever the batch. Shapes: N examples, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchlgg.core import InputError, exact_arithmetic, ranks_agree
from torchlgg.graphs import GraphSpec, cosine_features
from torchlgg.losses._across_ranks import leaves
from torchlgg.losses._complete_graphs import complete_graph_distance, sums_pay
from torchlgg.losses._everyone import Everyone
from torchlgg.losses._taps import Taps, paired_taps

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@torch.compiler.disable  # type: ignore[untyped-decorator]
def distances_by_shared_sums(
    student: Taps,
    teacher: Taps,
    spec: GraphSpec,
    counts: list[int],
    group: ProcessGroup,
    *,
    where: str,
) -> list[Tensor] | None:
    """The distance of each tap on the batch of all ranks, if sums give them all for less.

    Args:
        student: the student's taps of this rank.
        teacher: the teacher's taps of this rank.
        spec: how the graphs are made.
        counts: the examples of each rank.
        group: the ranks.
        where: the public function that was called.

    Returns:
        ``None``, on all ranks, where a tap is not such a graph on some rank, where matrices of
        pairs cost less, where a rank has no example, or where anything is wrong with the input:
        the gathered batch has a sentence for it, on all ranks.
    """
    if len(counts) == 1 or min(counts) == 0:
        return None
    # a centred graph needs the mean of all ranks before anything else
    if cosine_features(torch.ones(1, 1), spec) is None or spec.center:
        return None
    widths = [_widths(taps, name) for taps, name in ((student, "student"), (teacher, "teacher"))]
    if len(widths[0]) != len(widths[1]) or not all(
        sums_pay(sum(counts), *pair, power=1, edges="all") for pair in zip(*widths, strict=True)
    ):
        return None  # up to here ranks agree, as they do on all shapes
    features = _features(student, teacher, spec, where=where)
    if not ranks_agree(features is not None, group) or features is None:
        return None
    everyone = Everyone(sum(counts), group)
    normalized = spec.normalization is not None
    distances = []
    for s_ND, t_ND in features:
        with exact_arithmetic(s_ND):
            distances.append(
                complete_graph_distance(s_ND, t_ND, normalized=normalized, everyone=everyone)
            )
    return distances


def _widths(taps: Taps, name: str) -> list[int]:
    return [
        tap.shape[1:].numel() if isinstance(tap, Tensor) else 0 for _, tap in leaves(taps, name)
    ]


def _features(
    student: Taps, teacher: Taps, spec: GraphSpec, *, where: str
) -> list[tuple[Tensor, Tensor]] | None:
    """Features whose plain cosines are the weights, if this rank's examples have them."""
    found = []
    try:
        for s_ND, t_ND in paired_taps(student, teacher, where=where):
            with exact_arithmetic(s_ND):
                features = cosine_features(s_ND, spec), cosine_features(t_ND, spec)
            if features[0] is None or features[1] is None:
                return None
            found.append((features[0], features[1]))
    except InputError:
        return None
    return found
