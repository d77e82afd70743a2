"""Complete cosine graphs as inner products of rows, which need no matrix of all pairs.

Shapes: N examples, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchlgg.core import InputError, centered, safe_rsqrt, smallest_divisor
from torchlgg.graphs._spec import GraphSpec


def cosine_features(x_ND: Tensor, spec: GraphSpec) -> Tensor | None:
    r"""Features whose plain cosine is the weight of every pair, where the graph is complete.

    With unit rows :math:`z_i` of what is returned, the weights of the complete graph of ``spec``
    are :math:`⟨z_i, z_j⟩` off the diagonal, and its degrees :math:`⟨z_i, \sum_j z_j⟩ - 1`: sums
    over examples take the place of the matrix of pairs. A dead example is a row of exact zeros.

    - cosine: the features themselves (minus the batch mean, with ``spec.center``);
    - shifted cosine: one column more, since
      :math:`(1 + \cos)/2 = \cos([x_i, ‖x_i‖], [x_j, ‖x_j‖])`.

    Degrees are sums of absolute weights. They are sums of weights where no weight is negative: for
    the shifted cosine, and where no feature is negative, which is looked at (and cannot be in
    compiled code).

    Args:
        x_ND: (N, D), float32 or float64.
        spec: how the graph is made.

    Returns:
        (N, D) or (N, D + 1), with the gradient of ``x_ND``; ``None`` where the graph is not of
        this kind: with ``k``, binary weights, a kernel of distances, the diagonal kept in a
        normalised graph, random-walk normalisation, or degrees that may have negative terms.

    Raises:
        InputError: a spec that is not a :class:`~torchlgg.graphs.GraphSpec`.

    Example:
        >>> import torch
        >>> from torchlgg.graphs import GraphSpec, cosine_features
        >>> cosine_features(torch.tensor([[3.0, -4.0]]), GraphSpec(similarity="shifted_cosine"))
        tensor([[ 3., -4.,  5.]])
        >>> cosine_features(torch.tensor([[3.0, -4.0]]), GraphSpec()) is None
        True
    """
    if not isinstance(spec, GraphSpec):
        raise InputError(f"cosine_features: `spec` must be a GraphSpec, got {type(spec).__name__}")
    if not _factors(spec):
        return None
    shifted = spec.similarity == "shifted_cosine"
    if not shifted and spec.normalization is not None and not _never_negative(x_ND, spec):
        return None
    if spec.center:
        x_ND, floor_N = centered(x_ND, dim=0)
        square_N = (x_ND.detach() * x_ND.detach()).sum(dim=1)
        x_ND = torch.where((square_N > floor_N * floor_N)[:, None], x_ND, 0.0)
    if not shifted:
        return x_ND
    square_N = (x_ND * x_ND).sum(dim=1)
    inverse_N = safe_rsqrt(square_N, floor=smallest_divisor(x_ND))
    return torch.cat([x_ND, (square_N * inverse_N)[:, None]], dim=1)


def _never_negative(x_ND: Tensor, spec: GraphSpec) -> bool:
    # centred features are signed, unless they are all zero
    if spec.center or torch.compiler.is_compiling():
        return False
    return bool(x_ND.detach().amin() >= 0)


def _factors(spec: GraphSpec) -> bool:
    return (
        spec.similarity in ("cosine", "shifted_cosine")
        and spec.k is None
        and spec.weights == "similarity"
        and (spec.normalization is None or spec.normalization == "symmetric")
        and not (spec.include_self and spec.normalization is not None)
    )
