"""A network run over a whole image set. Shapes: N images, C classes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from torchlgg.core import InputError
from torchlgg.data import ImageSource, batches


def predict(
    net: nn.Module,
    images: ImageSource,
    *,
    batch_size: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """The logits of every image, in order, in eval mode; the net's own mode comes back after.

    Args:
        net: maps normalised images to logits (N, C).
        images: the images, normalised with the set's own statistics, batch by batch.
        batch_size: how many at once.
        progress: told (done, total) images.

    Returns:
        (N, C) on the device of the net's parameters.

    Raises:
        InputError: the net does not give one row of logits per image.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import predict
        >>> net = build_net("small_cnn", num_classes=10, in_channels=1)
        >>> predict(net, open_images("digits").test).shape
        torch.Size([359, 10])
    """

    def logits(inputs: Tensor) -> Tensor:
        found = net(inputs)
        if not isinstance(found, Tensor) or found.shape[:-1] != inputs.shape[:1]:
            shape = tuple(getattr(found, "shape", ())) or type(found).__name__
            raise InputError(
                "the network must give one row of logits per image, shape "
                f"({len(inputs)}, C); it gave {shape}"
            )
        return found

    return over_batches(net, images, logits, batch_size=batch_size, progress=progress)


@torch.no_grad()
def over_batches(
    net: nn.Module,
    images: ImageSource,
    forward: Callable[[Tensor], Tensor],
    *,
    batch_size: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """What ``forward`` makes of every image, in order, while ``net`` is in eval mode.

    Args:
        net: the network that ``forward`` runs.
        images: normalised with the set's own statistics, batch by batch, on the device of ``net``.
        forward: normalised images (N, C, H, W) to one row each.
        batch_size: how many at once.
        progress: told (done, total) images.

    Returns:
        The rows of all batches.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import over_batches
        >>> net = build_net("small_cnn", num_classes=10, in_channels=1)
        >>> digits = open_images("digits").test
        >>> over_batches(net, digits, lambda x: net(x).softmax(dim=1)).shape
        torch.Size([359, 10])
    """
    device = device_of(net)
    rows = []
    with in_eval_mode(net):
        done = 0
        for pixels in images.pixels(batches(len(images), batch_size=batch_size)):
            rows.append(forward(images.normalize(pixels.to(device))))
            done += len(pixels)
            if progress is not None:
                progress(done, len(images))
    return torch.cat(rows)


def first_images(images: ImageSource, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The first images, normalised, and their labels.

    Args:
        images: where they are.
        count: how many at most.
        device: where they are wanted.

    Returns:
        (N, C, H, W) and (N,).
    """
    index_N = torch.arange(min(count, len(images)))
    (pixels,) = images.pixels([index_N])
    return images.normalize(pixels.to(device)), images.labels[: len(index_N)].to(device)


@contextlib.contextmanager
def in_eval_mode(net: nn.Module) -> Iterator[None]:
    """Put a network into eval mode for a block; every module's own mode comes back after.

    Args:
        net: any module.

    Example:
        >>> from torchlgg.training import in_eval_mode
        >>> net = torch.nn.Dropout().train()
        >>> with in_eval_mode(net):
        ...     print(net.training)
        False
        >>> net.training
        True
    """
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def device_of(net: nn.Module) -> torch.device:
    """Where the parameters of a network are; the CPU for one without any.

    Args:
        net: any module.

    Example:
        >>> from torchlgg.training import device_of
        >>> device_of(torch.nn.Linear(2, 2))
        device(type='cpu')
    """
    return next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
