"""A trained network, for the images that it is to be used on."""

from __future__ import annotations

import os

from torch import nn

from torchlgg.core import InputError
from torchlgg.data import ImageSource
from torchlgg.nets import SavedNet, build_net, load_weights


def load_net(
    name: str | None, weights: str | os.PathLike[str], images: ImageSource
) -> tuple[nn.Module, SavedNet | None]:
    """A trained network, ready for the classes and channels of ``images``.

    Args:
        name: for :func:`~torchlgg.nets.build_net`; ``None`` takes it from the file, unless a
            function of one's own built it.
        weights: a file of safetensors, or a state dict without code.
        images: what it is to be used on.

    Returns:
        The network in eval mode, and the file's description if it has one.

    Raises:
        InputError: no name anywhere, weights of another network, or a network that was trained on
            images of other classes or channels.

    Example:
        >>> import tempfile
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import SavedNet, build_net
        >>> from torchlgg.training import load_net
        >>> digits = open_images("digits").test
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/net.safetensors"
        ...     net = build_net("small_cnn-4", num_classes=10, in_channels=1)
        ...     SavedNet.describe("small_cnn-4", digits).write(net, path)
        ...     load_net(None, path, digits)[1].net
        'small_cnn-4'
    """
    saved, place, channels = SavedNet.read(weights), os.fspath(weights), images.shape[0]
    if saved is not None:
        if saved.class_names != images.class_names:
            raise InputError(
                f"the network in {place!r} was trained on the classes "
                f"{_short(saved.class_names)}, the images have {_short(images.class_names)}"
            )
        if saved.in_channels != channels:
            raise InputError(
                f"the network in {place!r} takes images of {saved.in_channels} channels, these "
                f"have {channels}"
            )
        net = saved.named(name, path=weights).build()
    elif name is not None:
        net = build_net(name, num_classes=len(images.class_names), in_channels=channels)
    else:
        raise InputError(f"{place!r} does not say which network its weights belong to; name it")
    load_weights(net, weights)
    return net.eval(), saved


def _short(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:5])
    return f"{listed}, ... ({len(names)})" if len(names) > 5 else listed
