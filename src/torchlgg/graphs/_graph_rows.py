"""The graph of :func:`~torchlgg.graphs.latent_geometry_graph`, some rows at a time.

What a row needs to know of all others is one number for each: its norm, its degree, the closeness
down to which it chooses neighbours. These come from passes over tiles of rows; then any rows can be
had without the rest. In backward, tiles are computed again.

Shapes: N examples, D features, M rows of a tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from torchlgg.core import (
    centered,
    each_tile,
    magnitude,
    product,
    rounding,
    safe_divide,
    safe_rsqrt,
    smallest_divisor,
)
from torchlgg.graphs._bandwidth import bandwidth_by_tiles
from torchlgg.graphs._class_edges import Edges
from torchlgg.graphs._distances import pairwise_distances
from torchlgg.graphs._neighbors import check_enough_examples
from torchlgg.graphs._similarity import kernel
from torchlgg.graphs._spec import GraphSpec


@dataclass(frozen=True)
class Within:
    """The only pairs that may carry weight: those of one class, or of different ones.

    Args:
        labels_N: (N,), whole numbers.
        edges: ``"intra"`` or ``"inter"``.

    Example:
        >>> import torch
        >>> from torchlgg.graphs import Within
        >>> Within(torch.tensor([0, 1, 1]), "intra").rows(slice(1, 2))
        tensor([[False,  True,  True]])
    """

    labels_N: Tensor
    edges: Edges

    def rows(self, rows: slice) -> Tensor:
        """Which pairs, boolean (M, N).

        Args:
            rows: the M examples.
        """
        same_MN = self.labels_N[rows, None] == self.labels_N[None, :]
        return same_MN if self.edges == "intra" else ~same_MN


class _Closeness(NamedTuple):
    """How close the examples of a tile and all others are, as either side sees it."""

    own_MN: Tensor  # of row i to column j
    other_MN: Tensor  # of column j to row i
    candidates_MN: Tensor


class GraphRows:
    """A graph of which ``adjacency`` gives any rows, with the gradient of the whole.

    Args:
        x_ND: (N, D), checked, float32 or float64; to be used in exact arithmetic, as all methods.
        spec: how the graph is made.
        tiles: the rows of each pass, all of them in order.
        within: the pairs that may carry weight, as ``within`` of ``latent_geometry_graph``.
        mask_of: the graph whose edges are used instead of choosing the k nearest.

    Raises:
        InputError: ``k`` ≥ N.

    Example:
        >>> import torch
        >>> from torchlgg.graphs import GraphRows, GraphSpec
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
        >>> graph = GraphRows(x, GraphSpec(k=1, normalization=None), [slice(0, 2), slice(2, 3)])
        >>> graph.adjacency(slice(2, 3))
        tensor([[0.0000, 0.7071, 0.0000]])
    """

    def __init__(
        self,
        x_ND: Tensor,
        spec: GraphSpec,
        tiles: list[slice],
        *,
        within: Within | None = None,
        mask_of: GraphRows | None = None,
    ) -> None:
        self.spec, self.within, self.mask_of = spec, within, mask_of
        count = len(x_ND)
        check_enough_examples(spec, count, where="GraphRows")
        floor_N = x_ND.new_zeros(count)
        if spec.center:
            x_ND, floor_N = centered(x_ND, dim=0)
        self.x_ND = x_ND
        if spec.similarity in ("cosine", "shifted_cosine"):
            square_N = (x_ND * x_ND).sum(dim=1)
            square_N = torch.where(square_N > floor_N * floor_N, square_N, 0.0)
            self.scale_N = safe_rsqrt(square_N, floor=smallest_divisor(x_ND))
            self.live_N = self.scale_N.detach() > 0
            self.degree_floor = count * rounding(x_ND) / 4
        else:
            self.h = bandwidth_by_tiles(x_ND, spec.bandwidth, tiles)
            self.live_N = torch.ones(count, dtype=torch.bool, device=x_ND.device)
            self.degree_floor = smallest_divisor(x_ND)
        self.late = spec.threshold == "after_normalization"
        self.degree_N = self.reach_N = None
        if self.late:
            self.degree_N = self._degrees(tiles)
        if spec.k is not None and mask_of is None:
            with torch.no_grad():
                self.reach_N = torch.cat([self._reach(rows) for rows in tiles])
        if not self.late:
            self.degree_N = self._degrees(tiles)

    def adjacency(self, rows: slice) -> Tensor:
        """Some rows of the graph, (M, N).

        Args:
            rows: one of the tiles.
        """
        found_MN = self._cut(rows)
        if not self.late:
            found_MN = self._divided(found_MN, rows)
        return found_MN if self.within is None else found_MN * self.within.rows(rows)

    def edges(self, rows: slice) -> Tensor:
        """Some rows of ``graph_edges``, boolean (M, N).

        Args:
            rows: one of the tiles.
        """
        with torch.no_grad():
            return self._edges(rows, *self._weights(rows))[0]

    def _cut(self, rows: slice) -> Tensor:
        """The weights of the edges, before what is still to be divided out."""
        weights_MN, distance_MN = self._weights(rows)
        edges_MN, back_MN = self._edges(rows, weights_MN.detach(), distance_MN)
        shares_MN = self._shares(weights_MN, rows)
        if self.spec.weights == "binary":
            shares_MN = 0.0 * shares_MN + 1.0
            back_shares_MN = shares_MN
        else:
            back_shares_MN = self._shares_back(weights_MN, rows)
        if self.spec.neighbors == "mean":
            return (shares_MN * edges_MN + back_shares_MN * back_MN) / 2
        return shares_MN * edges_MN

    def _weights(self, rows: slice) -> tuple[Tensor, Tensor | None]:
        """Similarities (M, N), which are symmetric, and the distances they are made of, if any."""
        if self.spec.similarity in ("exponential", "rbf"):
            distance_MN = pairwise_distances(self.x_ND, rows)
            return kernel(distance_MN, self.h, self.spec), distance_MN.detach()
        inner_MN = product(self.x_ND[rows], self.x_ND.T)
        cosine_MN = inner_MN * self.scale_N[rows, None] * self.scale_N[None, :]
        if self.spec.similarity == "shifted_cosine":
            both_MN = self.live_N[rows, None] & self.live_N[None, :]
            cosine_MN = torch.where(both_MN, (1 + cosine_MN) / 2, 0.0)
        return cosine_MN, None

    def _candidates(self, rows: slice) -> Tensor:
        found_MN = self.live_N[rows, None] & self.live_N[None, :]
        if not self.spec.include_self:
            found_MN.diagonal(offset=rows.start).fill_(False)
        return found_MN

    # ------------------------------------------------------------------------------- degrees

    def _degrees(self, tiles: list[slice]) -> Tensor | None:
        """The absolute degrees by which the graph is divided."""
        if self.spec.normalization is None:
            return None

        def of(rows: slice) -> Tensor:
            if self.late:
                found_MN = self._weights(rows)[0] * self._candidates(rows)
            else:
                found_MN = self._cut(rows)
            return magnitude(found_MN).sum(dim=1)

        return torch.cat(each_tile(of, tiles))

    def _divided(self, found_MN: Tensor, rows: slice) -> Tensor:
        if self.degree_N is None:
            return found_MN
        if self.spec.normalization == "random_walk":
            return safe_divide(found_MN, self.degree_N[rows, None], floor=self.degree_floor)
        inverse_N = safe_rsqrt(self.degree_N, floor=self.degree_floor)
        return found_MN * inverse_N[rows, None] * inverse_N[None, :]

    def _shares(self, weights_MN: Tensor, rows: slice) -> Tensor:
        """The weights as they are when the edges are cut."""
        return self._divided(weights_MN, rows) if self.late else weights_MN

    def _shares_back(self, weights_MN: Tensor, rows: slice) -> Tensor:
        """:meth:`_shares` of the columns to the rows, transposed."""
        if self.late and self.spec.normalization == "random_walk":
            assert self.degree_N is not None
            return safe_divide(weights_MN, self.degree_N[None, :], floor=self.degree_floor)
        return self._shares(weights_MN, rows)

    # ----------------------------------------------------------------------------- neighbours

    def _closeness(self, rows: slice, weights_MN: Tensor, distance_MN: Tensor | None) -> _Closeness:
        candidates_MN = self._candidates(rows)
        if not self.late:
            own_MN = weights_MN if distance_MN is None else -distance_MN
            return _Closeness(own_MN, own_MN, candidates_MN)
        weights_MN = weights_MN * candidates_MN
        if self.within is not None:
            candidates_MN &= self.within.rows(rows)
        with torch.no_grad():
            own_MN = self._shares(weights_MN, rows)
            return _Closeness(own_MN, self._shares_back(weights_MN, rows), candidates_MN)

    def _reach(self, rows: slice) -> Tensor:
        """The closeness down to which each row chooses: all that tie with its k-th are chosen."""
        assert self.spec.k is not None
        own_MN, _, others_MN = self._closeness(rows, *self._weights(rows))
        others_MN.diagonal(offset=rows.start).fill_(False)
        k = self.spec.k - int(self.spec.include_self)
        if k == 0:
            return torch.full_like(own_MN[:, 0], torch.inf)
        last_M = own_MN.masked_fill(~others_MN, -torch.inf).topk(k, dim=1).values.amin(dim=1)
        largest_M = own_MN.masked_fill(~others_MN, 0.0).abs().amax(dim=1)
        return last_M - rounding(own_MN) * largest_M

    def _edges(
        self, rows: slice, weights_MN: Tensor, distance_MN: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Which pairs are joined, and, of a directed choice, which are seen from the columns."""
        own_MN, other_MN, candidates_MN = self._closeness(rows, weights_MN, distance_MN)
        if self.mask_of is not None:
            mask_MN, back_MN = self.mask_of.both_edges(rows)
            return candidates_MN & mask_MN, candidates_MN & back_MN
        if self.reach_N is None:
            return candidates_MN, candidates_MN
        others_MN = candidates_MN.clone()
        others_MN.diagonal(offset=rows.start).fill_(False)
        self_MN = candidates_MN & ~others_MN
        chosen_MN = others_MN & (own_MN >= self.reach_N[rows, None])
        back_MN = others_MN & (other_MN >= self.reach_N[None, :])
        if self.spec.neighbors == "union":
            chosen_MN = back_MN = chosen_MN | back_MN
        elif self.spec.neighbors == "mutual":
            chosen_MN = back_MN = chosen_MN & back_MN
        return chosen_MN | self_MN, back_MN | self_MN

    def both_edges(self, rows: slice) -> tuple[Tensor, Tensor]:
        """The edges of some rows, and those of all rows to them, transposed.

        Args:
            rows: one of the tiles.
        """
        with torch.no_grad():
            return self._edges(rows, *self._weights(rows))
