"""A network's logits for a whole image set. Shapes: N images, C classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from torchlgg.core import InputError
from torchlgg.data import ImageSet, batches


@torch.no_grad()
def predict(
    net: nn.Module,
    images: ImageSet,
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
    device = device_of(net)
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        rows = []
        for index_N in batches(len(images), batch_size=batch_size):
            index_N = index_N.to(images.images.device)
            logits_NC = net(images.normalize(images.images[index_N].to(device)))
            if not isinstance(logits_NC, Tensor) or logits_NC.shape[:-1] != index_N.shape:
                raise InputError(
                    "the network must give one row of logits per image, shape "
                    f"({len(index_N)}, C); it gave "
                    f"{tuple(getattr(logits_NC, 'shape', ())) or type(logits_NC).__name__}"
                )
            rows.append(logits_NC)
            if progress is not None:
                progress(int(index_N[-1]) + 1, len(images))
    finally:
        for module, training in modes.items():
            module.training = training
    return torch.cat(rows)


def device_of(net: nn.Module) -> torch.device:
    """Where the parameters of ``net`` are; the CPU for a net without any.

    Example:
        >>> device_of(torch.nn.Linear(2, 2))
        device(type='cpu')
    """
    return next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
