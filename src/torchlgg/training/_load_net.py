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
    net = build_net(
        name,
        num_classes=len(images.class_names) if saved is None else saved.num_classes,
        in_channels=images.shape[0],
        parseval=saved is not None and saved.parseval,
    )
    load_weights(net, weights)
    return net.eval(), saved


def _short(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:5])
    return f"{listed}, ... ({len(names)})" if len(names) > 5 else listed
