"""Which network, and where its weights come from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from torchlgg.core import InputError
from torchlgg.nets._build import build_net
from torchlgg.nets._layers import check_count
from torchlgg.nets._saved import SavedNet
from torchlgg.nets._unit_length import UnitLength
from torchlgg.nets._weights import load_weights


@dataclass(frozen=True, kw_only=True)
class NetConfig:
    """Which network, and where its weights come from.

    Args:
        name: for :func:`build_net`; ``None`` where the file of weights says it, or where it is to
            be filled in before :meth:`build`.
        weights: a file of safetensors or a state dict; ``None`` starts from fresh weights.
        parseval: the Parseval variant; for the networks of this package. A file that says that
            its network is one is enough.
        embedding_dim: the width of the output where it is an embedding; ``None`` is one number a
            class.
        unit_length: divide each row of the output by its length (:class:`UnitLength`), for
            embeddings on the unit sphere: the graph smoothness loss has no finite optimum
            otherwise. A file that says so of its network is enough, unless the head is replaced.
        replace_head: leave the classifier of the file out where it has another number of classes,
            and start with a fresh one; :func:`replaced_head` lists what that is.
        licence: of the weights, in one's own words; kept with what is learnt from them. ``None``
            is that of the file of weights, if a run wrote it and knew one.

    Raises:
        InputError: a width below 1.

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
    unit_length: bool = False
    replace_head: bool = False
    licence: str | None = None

    def __post_init__(self) -> None:
        if self.embedding_dim is not None:
            check_count(self.embedding_dim, name="embedding_dim", where="NetConfig")

    @property
    def label(self) -> str:
        """The name, from the file of weights where that says it.

        Raises:
            InputError: neither says one, or the file's is that of a function, which only the user
                can ask for.
        """
        if self.name:
            return self.name
        if not self.weights:
            raise InputError("`name` must say which network it is, such as 'wrn28-1'; got none")
        saved = SavedNet.read(self.weights)
        if saved is None:
            raise InputError(
                f"`name` must say which network it is: the weights in {self.weights!r} do not"
            )
        return saved.named(None, path=self.weights).net

    @property
    def is_parseval(self) -> bool:
        """Whether :meth:`build` gives the Parseval variant: as asked, or as the file says."""
        saved = SavedNet.read(self.weights) if self.weights else None
        return self.parseval or (saved is not None and saved.parseval)

    @property
    def is_unit_length(self) -> bool:
        """Whether :meth:`build` gives rows of length one: as asked, or as the file says."""
        saved = SavedNet.read(self.weights) if self.weights and not self.replace_head else None
        return self.unit_length or (saved is not None and saved.unit_length)

    def with_licence(self) -> NetConfig:
        """The same, with the licence from the file of weights where none is given.

        Example:
            >>> from torchlgg.nets import NetConfig
            >>> NetConfig(name="small_cnn", licence="CC BY 4.0").with_licence().licence
            'CC BY 4.0'
        """
        if self.licence or not self.weights:
            return self
        saved = SavedNet.read(self.weights)
        return replace(self, licence=saved.licence if saved is not None else None)

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

        Returns:
            The network, in training mode, on the default device.

        Raises:
            InputError: an unknown name, or weights of another network.
        """
        net = build_net(
            self.label,
            num_classes=self.output_width(num_classes),
            in_channels=in_channels,
            parseval=self.is_parseval,
        )
        if self.weights:
            load_weights(net, self.weights, replace_head=self.replace_head)
        return UnitLength(net) if self.is_unit_length else net
