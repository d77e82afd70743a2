"""Which network, and where its weights come from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from torchlgg.core import InputError
from torchlgg.nets._build import build_net
from torchlgg.nets._saved import SavedNet
from torchlgg.nets._weights import load_weights


@dataclass(frozen=True, kw_only=True)
class NetConfig:
    """Which network, and where its weights come from.

    Args:
        name: for :func:`build_net`; ``None`` where the file of weights says it.
        weights: a file of safetensors or a state dict; ``None`` starts from fresh weights.
        parseval: the Parseval variant; for the networks of this package.
        embedding_dim: the width of the output where it is an embedding; ``None`` is one number a
            class.
        replace_head: leave the classifier of the file out where it has another number of classes,
            and start with a fresh one.

    Raises:
        InputError: neither a name nor a file, or a width below 1.

    Example:
        >>> from torchlgg.nets import NetConfig
        >>> net = NetConfig(name="small_cnn", embedding_dim=32).build(num_classes=10, in_channels=1)
        >>> net.linear.out_features
        32
    """

    name: str | None = None
    weights: str | None = None
    parseval: bool = False
    embedding_dim: int | None = None
    replace_head: bool = False

    def __post_init__(self) -> None:
        if self.embedding_dim is not None and self.embedding_dim < 1:
            raise InputError(f"`embedding_dim` must be at least 1, got {self.embedding_dim}")

    @property
    def label(self) -> str:
        """The name, from the file of weights where that says it.

        Raises:
            InputError: neither says one.
        """
        if self.name is not None:
            return self.name
        saved = SavedNet.read(self.weights) if self.weights is not None else None
        if saved is None:
            raise InputError("`name` must say which network it is (its weights do not)")
        return saved.net

    def output_width(self, num_classes: int) -> int:
        """How many numbers the network gives for an image.

        Args:
            num_classes: of the images.
        """
        return num_classes if self.embedding_dim is None else self.embedding_dim

    def build(self, *, num_classes: int, in_channels: int) -> nn.Module:
        """The network, with the weights of the file if there is one.

        Args:
            num_classes: of the images.
            in_channels: of the images.

        Raises:
            InputError: an unknown name, or weights of another network.
        """
        net = build_net(
            self.label,
            num_classes=self.output_width(num_classes),
            in_channels=in_channels,
            parseval=self.parseval,
        )
        if self.weights is not None:
            load_weights(net, self.weights, replace_head=self.replace_head)
        return net
