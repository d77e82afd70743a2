"""Random crops and flips of a batch, without a loop over its images.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from torchlgg.core import InputError
from torchlgg.data._fields import describe


def random_crop_flip(
    images: Tensor,
    *,
    padding: int = 4,
    flip: bool = True,
    generator: torch.Generator,
    rows: tuple[int, int] | None = None,
) -> Tensor:
    """Each image shifted by up to ``padding`` pixels either way, and mirrored half of the time.

    Each image is framed with ``padding`` black (0) pixels and cut back to its size at an offset
    (dy, dx) of its own, uniform over the (2 * padding + 1)^2 possible ones; then, with
    probability 1/2, its columns are reversed. The generator is asked for N row offsets, N column
    offsets and N flips, in this order and for every setting; so the same state gives the same
    crops with and without flips, and a generator of the CPU the same result on every device.

    Args:
        images: (N, C, H, W), uint8; not changed. N may be 0.
        padding: pixels, at least 0; 0 leaves the crop at its place.
        flip: whether to mirror.
        generator: the only source of randomness.
        rows: where ``images`` are a part of a batch that is spread over processes: the place of
            the first of them in it, and how many it holds. The draws are those of the batch.

    Returns:
        (N, C, H, W), uint8, on the device of ``images``.

    Raises:
        InputError: when ``images`` is not a uint8 tensor of four dimensions or ``padding`` is
            negative.

    Example:
        >>> import torch
        >>> from torchlgg.data import random_crop_flip
        >>> row = torch.tensor([10, 20, 30], dtype=torch.uint8).expand(3, 1, 3, 3)
        >>> moved = random_crop_flip(row, padding=1, generator=torch.Generator().manual_seed(0))
        >>> moved[:, 0, 1].tolist()  # to the right and mirrored; mirrored only; as the first
        [[20, 10, 0], [30, 20, 10], [20, 10, 0]]

    Source: the augmentation of CIFAR networks since K. He et al., Deep residual learning, CVPR
    2016, section 4.2.
    """
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
        raise InputError(
            f"`images` must be a uint8 tensor (N, C, H, W), got {describe(images)}; normalise "
            f"after the crop"
        )
    if padding < 0:
        raise InputError(f"`padding` must be at least 0 pixels, got {padding}")
    count, channels, height, width = images.shape
    device = images.device
    first, total = (0, count) if rows is None else rows

    def draw(upper: int) -> Tensor:
        drawn = torch.randint(upper, (total, 1), generator=generator, device=generator.device)
        return drawn[first : first + count].to(device)

    top, left, mirrored = draw(2 * padding + 1), draw(2 * padding + 1), draw(2)
    column = torch.arange(width, device=device).expand(count, width)
    if flip:
        column = torch.where(mirrored == 1, width - 1 - column, column)
    row = torch.arange(height, device=device) + top
    # One gather from the flattened frame: the pixel (y, x) of the frame lies at y * framed + x.
    framed = width + 2 * padding
    position = (row * framed).unsqueeze(2) + (column + left).unsqueeze(1)
    frame = pad(images, (padding,) * 4).flatten(2)
    index = position.view(count, 1, height * width).expand(count, channels, height * width)
    return frame.gather(2, index).view(count, channels, height, width)
