"""What a file of weights says of its network: how it must be built and fed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Protocol

from torch import nn

from torchlgg.core import InputError
from torchlgg.nets._build import build_net
from torchlgg.nets._factory import is_factory
from torchlgg.nets._unit_length import UnitLength
from torchlgg.nets._weights import load_weights, read_metadata, save_weights


class Images(Protocol):
    """What a description takes from the images of the training."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a class."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""

    @property
    def mean(self) -> tuple[float, ...]:
        """One number a channel."""

    @property
    def std(self) -> tuple[float, ...]:
        """One number a channel."""


@dataclass(frozen=True, kw_only=True)
class SavedNet:
    """What a file of weights says of its network: how to build it, and how to feed it.

    Args:
        net: its name, for :func:`~torchlgg.nets.build_net`.
        num_classes: the width of its output.
        in_channels: the channels of its images.
        class_names: the classes in the order of the logits.
        mean: what is subtracted from each channel, on the scale where pixels run from 0 to 1.
        std: what each channel is then divided by.
        parseval: whether it is the Parseval variant.
        image_size: height and width of the images of its training; ``None`` in older files.
        licence: of the weights that it learnt from, as their user gave it.
        unit_length: whether each row of the output is divided by its length.

    :meth:`describe` makes it from images, :meth:`read` from a file.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import SavedNet
        >>> SavedNet.describe("small_cnn", open_images("digits").train).num_classes
        10
    """

    net: str
    num_classes: int
    in_channels: int
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    parseval: bool = False
    image_size: tuple[int, int] | None = None
    licence: str | None = None
    unit_length: bool = False

    @classmethod
    def describe(
        cls,
        net: str,
        images: Images,
        *,
        num_classes: int | None = None,
        parseval: bool = False,
        licence: str | None = None,
        unit_length: bool = False,
    ) -> SavedNet:
        """The description of a network that was trained on some images.

        Args:
            net: its name.
            images: what it was trained on.
            num_classes: the width of its output; ``None`` is one for each class.
            parseval: whether it is the Parseval variant.
            licence: of the weights that it learnt from.
            unit_length: whether each row of the output is divided by its length.
        """
        channels, height, width = images.shape
        return cls(
            net=net,
            num_classes=len(images.class_names) if num_classes is None else num_classes,
            in_channels=channels,
            class_names=images.class_names,
            mean=images.mean,
            std=images.std,
            parseval=parseval,
            image_size=(height, width),
            licence=licence,
            unit_length=unit_length,
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> SavedNet | None:
        """The description in the weights at ``path``; ``None`` where somebody else wrote them.

        Raises:
            InputError: no such file, not a file of weights, or a damaged description.
        """
        if Path(path).suffix != ".safetensors":
            return None
        text = read_metadata(path).get("torchlgg")
        if text is None:
            return None
        from pydantic import TypeAdapter, ValidationError

        try:
            found = json.loads(text)
            if not isinstance(found, dict):
                raise ValueError("it is no mapping")
            if unknown := sorted(found.keys() - {field.name for field in fields(cls)}):
                raise ValueError(f"it has an unknown entry {unknown[0]!r}")
            return TypeAdapter(cls).validate_python(found)
        except ValueError as error:
            reason = str(error)
            if isinstance(error, ValidationError):
                first = error.errors(include_url=False)[0]
                reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise InputError(
                f"the description in {os.fspath(path)!r} cannot be read ({reason}); "
                "name the network yourself"
            ) from error

    def named(self, name: str | None, *, path: str | os.PathLike[str]) -> SavedNet:
        """The description with the network's name as the user gave it, if one was given.

        A file never decides which code of somebody's own is run: where the network is built by a
        function (``package.module:function``), the user has to name that function.

        Args:
            name: for :func:`build_net`; ``None`` or empty takes the file's.
            path: the file, for the error.

        Raises:
            InputError: no name is given, and the file's is that of a function.

        Example:
            >>> from torchlgg.data import open_images
            >>> saved = SavedNet.describe("wrn10-1", open_images("digits").train)
            >>> saved.named(None, path="x").net, saved.named("wrn16-1", path="x").net
            ('wrn10-1', 'wrn16-1')
        """
        if name:
            return replace(self, net=name)
        if is_factory(self.net):
            raise InputError(
                f"the network in {os.fspath(path)!r} is built by {self.net!r}, code that is only "
                "run if you ask for it: name the network yourself"
            )
        return self

    @property
    def is_embedding(self) -> bool:
        """Whether the output is an embedding: of another width than the classes, or normalised."""
        return self.unit_length or self.num_classes != len(self.class_names)

    def build(self) -> nn.Module:
        """The network with fresh weights."""
        net = build_net(
            self.net,
            num_classes=self.num_classes,
            in_channels=self.in_channels,
            parseval=self.parseval,
        )
        return UnitLength(net) if self.unit_length else net

    def write(self, net: nn.Module, path: str | os.PathLike[str]) -> None:
        """Write the weights of ``net`` with this description to ``path``, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        save_weights(net, path, {"torchlgg": json.dumps(asdict(self))})


def open_net(path: str | os.PathLike[str], *, name: str | None = None) -> nn.Module:
    """A trained network from the file that a run wrote, ready for use.

    Nothing of the training is loaded for it. The images go in normalised, by the ``mean`` and
    ``std`` that :meth:`SavedNet.read` gives.

    Args:
        path: a ``.safetensors`` file that says which network it holds.
        name: the network, for :func:`build_net`; ``None`` takes it from the file, unless a
            function of one's own built it: then no code is run that the user did not name.

    Returns:
        The network in eval mode, on the CPU.

    Raises:
        InputError: no such file, one that does not say how its network is built, or weights of
            another network.

    Example:
        >>> import tempfile, torch
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import SavedNet, build_net, open_net
        >>> net = build_net("small_cnn-4", num_classes=10, in_channels=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     saved = SavedNet.describe("small_cnn-4", open_images("digits").train)
        ...     saved.write(net, f"{folder}/model.safetensors")
        ...     again = open_net(f"{folder}/model.safetensors")
        >>> again(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 10])
    """
    saved = SavedNet.read(path)
    if saved is None:
        raise InputError(
            f"{os.fspath(path)!r} does not say which network its weights belong to: build it "
            "yourself, and fill it by load_weights"
        )
    net = saved.named(name, path=path).build()
    load_weights(net, path)
    return net.eval()
