"""How a latent geometry graph is made: every choice on which published codes differ, by name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from torchlgg.core import check_count, check_option, check_positive

Similarity = Literal["cosine", "shifted_cosine", "exponential", "rbf"]
Neighbors = Literal["union", "mutual", "directed", "mean"]
Normalization = Literal["symmetric", "random_walk"] | None
Threshold = Literal["before_normalization", "after_normalization"]
Weights = Literal["similarity", "binary"]
Bandwidth = float | Literal["mean", "median"]

_SIMILARITIES = get_args(Similarity)
_NEIGHBORS = get_args(Neighbors)
_THRESHOLDS = get_args(Threshold)
_WEIGHTS = get_args(Weights)


@dataclass(frozen=True, kw_only=True)
class GraphSpec:
    r"""How a graph is made from the representations :math:`x_1 … x_N` of a batch.

    A spec is a value: it prints, compares, hashes, and goes into every record.

    Args:
        similarity: the weight :math:`w_{ij}` of the pair i, j.

            - ``"cosine"``: :math:`⟨x_i, x_j⟩ / (‖x_i‖ ‖x_j‖)`, in [0, 1] after a ReLU. A zero
              (dead) row is similar to nothing, itself included.
            - ``"shifted_cosine"``: (1 + cosine)/2, in [0, 1] for signed features too.
            - ``"exponential"``: :math:`\exp(-‖x_i - x_j‖ / h)`, in (0, 1].
            - ``"rbf"``: :math:`\exp(-‖x_i - x_j‖^2 / 2h^2)`, in (0, 1].
        k: how many nearest neighbours each vertex keeps; the vertex itself is not one of them.
            ``None`` is the complete graph. Ties at the k-th place are all kept, so that the graph
            does not depend on the order of the examples.
        neighbors: what makes an edge of the choices of two vertices. ``"union"``: either chose the
            other; ``"mutual"``: both did; ``"directed"``: the row chose the column; ``"mean"``:
            the average :math:`(B + B^⊤)/2` of the directed graph and its transpose.
        normalization: by the degrees :math:`d_i = \sum_j |A_{ij}|`. ``"symmetric"``:
            :math:`A_{ij}/\sqrt{d_i d_j}`; ``"random_walk"``: :math:`A_{ij}/d_i`; ``None``: none.
            The absolute value changes nothing for non-negative similarities; with signed features
            it keeps the degrees away from zero, where the published definition has poles.
        threshold: whether the k nearest are chosen ``"before_normalization"``, as the paper
            writes, or ``"after_normalization"`` of the complete graph, as graph_kd's code does
            (the sparse graph is then not normalised again).
        include_self: keep the diagonal of the similarity matrix, and let the vertex take one of
            its own k places, as laplacian_networks' code does.
        center: subtract the batch mean from the representations first. Cosines of real layers lie
            between 0.93 and 0.99; centring spreads them.
        weights: ``"similarity"``, or ``"binary"``: an edge weighs 1 (and sends no gradient).
        bandwidth: h of ``"exponential"`` and ``"rbf"``, in the units of the features; ``"mean"``
            and ``"median"`` take it from the distances of all pairs of the batch, differentiably,
            which makes the graph independent of the scale of the features.

    Raises:
        InputError: an unknown option, k below 1, or a bandwidth that is not positive.

    Example:
        >>> from torchlgg import GraphSpec
        >>> GraphSpec(k=5)
        GraphSpec(k=5)
        >>> GraphSpec.graph_kd(5)
        GraphSpec(k=5, threshold='after_normalization')
        >>> GraphSpec() == GraphSpec(similarity="cosine", k=None)
        True

    Reference:
        Lassance, Gripon, Ortega, Algorithms 14(2):39 (2021).
    """

    similarity: Similarity = "cosine"
    k: int | None = None
    neighbors: Neighbors = "union"
    normalization: Normalization = "symmetric"
    threshold: Threshold = "before_normalization"
    include_self: bool = False
    center: bool = False
    weights: Weights = "similarity"
    bandwidth: Bandwidth = "median"

    def __post_init__(self) -> None:
        for name, options in (
            ("similarity", _SIMILARITIES),
            ("neighbors", _NEIGHBORS),
            ("normalization", ("symmetric", "random_walk", None)),
            ("threshold", _THRESHOLDS),
            ("include_self", (True, False)),
            ("center", (True, False)),
            ("weights", _WEIGHTS),
        ):
            check_option(getattr(self, name), options, name=name, where="GraphSpec")
        if self.k is not None:
            check_count(self.k, name="k", where="GraphSpec")
            object.__setattr__(self, "k", int(self.k))  # numpy's 5 is 5
        if self.bandwidth not in ("mean", "median"):
            check_positive(
                self.bandwidth,  # type: ignore[arg-type]  # it checks the type
                name="bandwidth",
                where="GraphSpec",
                otherwise=", 'mean' or 'median'",
            )

    def __repr__(self) -> str:
        changed = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        )
        return f"GraphSpec({', '.join(changed)})"

    @classmethod
    def graph_kd(cls, k: int | None = None) -> GraphSpec:
        """The graph of graph_kd, the code of *Deep geometric knowledge distillation with graphs*.

        Cosine, zero diagonal, symmetric normalisation of the complete graph, and only then the
        union of the k nearest by normalised weight.

        Args:
            k: neighbours; ``None``, the setting of the main results, is the complete graph.

        Example:
            >>> GraphSpec.graph_kd().threshold
            'after_normalization'

        Reference:
            Lassance et al., ICASSP 2020, arXiv 1911.03080.
        """
        return cls(k=k, threshold="after_normalization")

    @classmethod
    def laplacian_networks(cls, k: int | None = None) -> GraphSpec:
        """The graph of laplacian_networks, the code of *Laplacian networks*.

        Cosine, not normalised, union of the k nearest, the vertex itself being one of the k. The
        diagonal stays at 1; it cancels in the Laplacian D − A.

        Args:
            k: neighbours; ``None``, which the published runs use, is the complete graph.

        Example:
            >>> GraphSpec.laplacian_networks(20)
            GraphSpec(k=20, normalization=None, include_self=True)

        Reference:
            Lassance, Gripon, Ortega, APSIPA TSIP 10:e2 (2021), arXiv 1805.10133.
        """
        return cls(k=k, normalization=None, include_self=True)
