"""What a file of weights says of its network: how it must be built and fed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from torchlgg.core import InputError
from torchlgg.nets._build import build_net
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

    @classmethod
    def describe(
        cls,
        net: str,
        images: Images,
        *,
        num_classes: int | None = None,
        parseval: bool = False,
        licence: str | None = None,
    ) -> SavedNet:
        """The description of a network that was trained on some images.

        Args:
            net: its name.
            images: what it was trained on.
            num_classes: the width of its output; ``None`` is one for each class.
            parseval: whether it is the Parseval variant.
            licence: of the weights that it learnt from.
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
        try:
            fields: dict[str, Any] = json.loads(text)
            names: list[str] = [n for n in ("class_names", "mean", "std") if n in fields]
            if fields.get("image_size") is not None:
                names.append("image_size")
            return cls(**(fields | {name: tuple(fields[name]) for name in names}))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"the description in {os.fspath(path)!r} cannot be read ({error}); "
                "name the network yourself"
            ) from error

    def build(self) -> nn.Module:
        """The network with fresh weights."""
        return build_net(
            self.net,
            num_classes=self.num_classes,
            in_channels=self.in_channels,
            parseval=self.parseval,
        )

    def write(self, net: nn.Module, path: str | os.PathLike[str]) -> None:
        """Write the weights of ``net`` with this description to ``path``, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        save_weights(net, path, {"torchlgg": json.dumps(asdict(self))})


def open_net(path: str | os.PathLike[str]) -> nn.Module:
    """A trained network from the file that a run wrote, ready for use.

    Nothing of the training is loaded for it.

    Args:
        path: a ``.safetensors`` file that says which network it holds.

    Returns:
        The network in eval mode, on the CPU.

    Raises:
        InputError: no such file, or one that does not say how its network is built.

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
    net = saved.build()
    load_weights(net, path)
    return net.eval()
