"""Trained networks in files that say how they must be built and fed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from torchlgg.core import InputError
from torchlgg.data import ImageSet
from torchlgg.nets import build_net, load_weights, read_metadata, save_weights


@dataclass(frozen=True, kw_only=True)
class SavedNet:
    """What a file of weights says of its network: how to build it, and how to feed it.

    Args:
        net: its name, for :func:`~torchlgg.nets.build_net`.
        num_classes: the width of its logits.
        in_channels: the channels of its images.
        class_names: the classes in the order of the logits.
        mean: what is subtracted from each channel, on the scale where pixels run from 0 to 1.
        std: what each channel is then divided by.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.training import SavedNet
        >>> SavedNet.describe("small_cnn", open_images("digits").train).num_classes
        10
    """

    net: str
    num_classes: int
    in_channels: int
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def describe(cls, net: str, images: ImageSet) -> SavedNet:
        """The description of a network named ``net`` that was trained on ``images``."""
        return cls(
            net=net,
            num_classes=len(images.class_names),
            in_channels=images.images.shape[1],
            class_names=images.class_names,
            mean=images.mean,
            std=images.std,
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
            lists = {name: tuple(fields[name]) for name in ("class_names", "mean", "std")}
            return cls(**(fields | lists))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"the description in {os.fspath(path)!r} cannot be read ({error}); "
                "name the network yourself"
            ) from error

    def write(self, net: nn.Module, path: str | os.PathLike[str]) -> None:
        """Write the weights of ``net`` with this description to ``path``, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        save_weights(net, path, {"torchlgg": json.dumps(asdict(self))})


def load_net(
    name: str | None, weights: str | os.PathLike[str], images: ImageSet
) -> tuple[nn.Module, SavedNet | None]:
    """A trained network, ready for the classes and channels of ``images``.

    Args:
        name: for :func:`~torchlgg.nets.build_net`; ``None`` takes it from the file.
        weights: a file of safetensors, or a state dict without code.
        images: what it is to be used on.

    Returns:
        The network in eval mode, and the file's description if it has one.

    Raises:
        InputError: no name anywhere, weights of another network, or a network that was trained on
            other classes.

    Example:
        >>> import tempfile
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import SavedNet, load_net
        >>> digits = open_images("digits").test
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/net.safetensors"
        ...     net = build_net("small_cnn-4", num_classes=10, in_channels=1)
        ...     SavedNet.describe("small_cnn-4", digits).write(net, path)
        ...     load_net(None, path, digits)[1].net
        'small_cnn-4'
    """
    saved = SavedNet.read(weights)
    if name is None:
        if saved is None:
            raise InputError(
                f"{os.fspath(weights)!r} does not say which network its weights belong to; name it"
            )
        name = saved.net
    if saved is not None and saved.class_names != images.class_names:
        raise InputError(
            f"the network in {os.fspath(weights)!r} was trained on the classes "
            f"{_short(saved.class_names)}, the images have {_short(images.class_names)}"
        )
    net = build_net(name, num_classes=len(images.class_names), in_channels=images.images.shape[1])
    load_weights(net, weights)
    return net.eval(), saved


def _short(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:5])
    return f"{listed}, ... ({len(names)})" if len(names) > 5 else listed
