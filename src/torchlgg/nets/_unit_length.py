"""Embeddings on the unit sphere. Shapes: N examples, D numbers an embedding."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from torchlgg.core import InputError, at_least_float32, unit_rows


class UnitLength(nn.Module):
    """A network whose output rows are divided by their Euclidean length.

    For losses of distances alone: without it the graph smoothness loss has no optimum that is
    finite, and the distances only grow. A zero row stays zero, with zero gradient. Rows of
    half precision come out in float32, in which their squares cannot overflow.

    Files of weights hold the network itself: :func:`save_weights` leaves the wrapper's prefix
    ``module.`` out of the keys, and :func:`load_weights` fills both alike.

    Args:
        net: gives one row an example, (N, D).

    Attributes:
        module: the network.
        auto_taps: those of the network, by their paths from here; only where it has them.
        relu_taps: the same.

    Called with the inputs of the network, it returns (N, D).

    Raises:
        InputError: on a call, if the network gives something else than one tensor.

    Example:
        >>> import torch
        >>> from torchlgg.nets import SmallCNN, UnitLength
        >>> UnitLength(nn.Identity())(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
        >>> UnitLength(SmallCNN(num_classes=3)).auto_taps
        ('module.stage1', 'module.stage2', 'module.pool')
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.module = net
        for taps in ("auto_taps", "relu_taps"):
            if hasattr(net, taps):
                setattr(self, taps, tuple(f"module.{path}" for path in getattr(net, taps)))

    def forward(self, *inputs: Any) -> Tensor:
        """The rows of the network for ``inputs``, of length one; see the class."""
        rows_ND = self.module(*inputs)
        if not isinstance(rows_ND, Tensor):
            raise InputError(
                "UnitLength: `net` must return one tensor, a row an example, got "
                f"{type(rows_ND).__name__}"
            )
        return unit_rows(at_least_float32(rows_ND))
