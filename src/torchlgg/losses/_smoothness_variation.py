"""The smoothness variation loss: label smoothness that changes little from layer to layer.

Lassance, Gripon, Ortega, *Laplacian networks: bounding indicator function smoothness for neural
networks robustness*, APSIPA TSIP 10:e2 (2021), arXiv 1805.10133. Shapes: N examples, C classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from torchlgg.core import InputError, check_count, check_labels, check_same_rows, exact_arithmetic
from torchlgg.graphs import GraphSpec, class_edges, cosine_features, latent_geometry_graph
from torchlgg.losses._across_ranks import across_ranks
from torchlgg.losses._taps import mean_of, named_taps, settings
from torchlgg.signals import cosine_smoothness, label_indicators, smoothness

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def smoothness_variation_loss(
    layers: Sequence[Tensor] | Mapping[str, Tensor],
    labels: Tensor,
    *,
    power: int = 2,
    spec: GraphSpec = GraphSpec.laplacian_networks(),  # noqa: B008  (frozen)
    group: ProcessGroup | None = None,
) -> Tensor:
    r"""The mean change of label smoothness between consecutive layers.

    .. math:: \frac{1}{T-1} \sum_{t=2}^{T} |σ^m_t - σ^m_{t-1}|, \quad
              σ^m_t = \operatorname{tr}(Y^⊤ L_t^m Y)

    with :math:`L_t` the combinatorial Laplacian of the graph of layer t and m = ``power``. A
    network whose classes separate a little at every layer moves its decision boundary less under
    small changes of the input. The authors use m = 2, every ReLU output, and weight the loss by
    :math:`γ^m` with γ = 0.01.

    Args:
        layers: the representations of T ≥ 2 layers in order of depth, (N, ...) each: a sequence or
            a mapping as :func:`~torchlgg.capture` yields.
        labels: (N,) whole numbers, or Y itself, (N, C), soft or boolean.
        power: m ≥ 1.
        spec: how the graphs are made.
        group: ranks whose batches, in rank order, make the batch; ``None`` is this process alone.

    Returns:
        A scalar ≥ 0, float32 or float64; 0 where all labels are equal.

    Raises:
        InputError: fewer than two layers, layers or labels of different lengths, ``k`` ≥ N, or NaN
            or infinity in a layer.

    Example:
        >>> import torch
        >>> from torchlgg import smoothness_variation_loss
        >>> first = torch.tensor([[1.0, 1.0], [1.0, 2.0], [2.0, 1.0]])
        >>> second = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.2]])
        >>> smoothness_variation_loss([first, second], torch.tensor([0, 1, 0]), power=1)
        tensor(3.1051)

    Reference:
        arXiv 1805.10133.
    """
    where = "smoothness_variation_loss"
    check_count(power, name="power", where=where)
    if not isinstance(layers, (Sequence, Mapping)) or len(layers) < 2:
        raise InputError(
            f"{where}: `layers` must hold at least two layers, in a sequence or a mapping; the "
            "loss compares neighbours in depth"
        )
    if group is not None:
        layers, labels = across_ranks({"layers": layers, "labels": labels}, group, where=where)
    taps = named_taps(layers, name="layers", where=where)
    first_name, first_ND = taps[0]
    for name, x_ND in taps[1:]:
        check_same_rows(first_ND, x_ND, names=(first_name, name), where=where)
    check_labels(labels, count=first_ND.shape[0], where=where)
    y_NC = _indicators(labels)
    sigmas = [_smoothness(x_ND, y_NC, power, spec) for _, x_ND in taps]
    return mean_of([(deep - shallow).abs() for shallow, deep in itertools.pairwise(sigmas)])


def _smoothness(x_ND: Tensor, y_NC: Tensor, power: int, spec: GraphSpec) -> Tensor:
    """σ^m of one layer, by products with the features where they cost less than the graph.

    The graph costs N² D forward and as much backward; each of the ⌈m/2⌉ applications of L to the
    C signals and the ones costs 4 N D (C + 1) forward and twice that backward, in products so
    narrow that they run at a third of the speed (measured): the rule is N > 10 (C + 1) ⌈m/2⌉.
    """
    columns = (y_NC.shape[1] + 1) * ((power + 1) // 2)
    if len(x_ND) > 10 * columns:
        with exact_arithmetic(x_ND):
            features_ND = cosine_features(x_ND, spec)
        if features_ND is not None and spec.normalization is None:
            return cosine_smoothness(features_ND, y_NC.to(features_ND.dtype), power)
    return smoothness(latent_geometry_graph(x_ND, spec), y_NC, power)


def _indicators(labels: Tensor) -> Tensor:
    """Class indicators, with as many columns as examples where the classes cannot be counted.

    Counting classes reads the labels, which compiled code cannot; there, each class takes the
    column of its first example, and the columns that stay empty add nothing to the trace.
    """
    if labels.ndim == 1 and torch.compiler.is_compiling():
        same_NN = class_edges(labels, "intra")
        first_N = same_NN.int().argmax(dim=1)
        return torch.nn.functional.one_hot(first_N, labels.shape[0]).float()
    return label_indicators(labels)


class SmoothnessVariationLoss(nn.Module):
    """:func:`smoothness_variation_loss` with its settings kept; see there.

    Example:
        >>> from torchlgg.losses import SmoothnessVariationLoss
        >>> SmoothnessVariationLoss(power=1).power
        1
    """

    def __init__(
        self,
        *,
        power: int = 2,
        spec: GraphSpec = GraphSpec.laplacian_networks(),  # noqa: B008  (frozen)
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        check_count(power, name="power", where="SmoothnessVariationLoss")
        self.power = power
        self.spec = spec
        self.group = group

    def forward(self, layers: Sequence[Tensor] | Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """The loss of a batch."""
        return smoothness_variation_loss(
            layers, labels, power=self.power, spec=self.spec, group=self.group
        )

    def extra_repr(self) -> str:
        """The settings."""
        return settings(power=self.power, spec=self.spec, group=self.group)
