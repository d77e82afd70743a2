"""Corrupted copies of a batch of images, on the fly.

Shapes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torchlgg.core import InputError, check_option
from torchlgg.corruptions._constants import Constants
from torchlgg.corruptions._names import check_name, check_severity
from torchlgg.corruptions._operations import corruption


def corrupt(
    images: Tensor,
    name: str,
    severity: int,
    *,
    seed: int = 0,
    indices: Tensor | Sequence[int] | None = None,
    constants: Constants = "cifar",
    frost_images: str | os.PathLike[str] | None = None,
) -> Tensor:
    """The images with one corruption of CIFAR-10-C or ImageNet-C, at one of its severities.

    Every random draw belongs to (``seed``, the image's index, ``name``, ``severity``): any subset
    in any order gives each image the same bytes. Results are cut off to whole levels, not rounded,
    as in the published sets. Those were made without a seed, so only what draws nothing can agree
    with them byte by byte: of ``brightness``, ``contrast``, ``defocus_blur``, ``gaussian_blur``,
    ``jpeg_compression``, ``pixelate``, ``saturate`` and ``zoom_blur``.

    What differs from the original: ``motion_blur`` and ``snow`` write ImageMagick's blur out;
    ``elastic_transform`` and the water of ``spatter`` do without OpenCV, the latter with Euclidean
    distances for approximate ones; an image without a drop stays as it is, where the original
    divides by zero; sums that fall on a whole level but for their last bits (``defocus_blur`` of
    flat parts) may be cut off to the level below in one and not in the other; ImageNet-C was stored
    as JPEG of quality 85, which is left to the caller.

    Args:
        images: (N, C, H, W), uint8, C is 1 or 3; not changed. N may be 0. Where colour matters, a
            grey image is corrupted as three equal channels and the result is their luma.
        name: one of :func:`corruption_names`. ``"frost"`` needs photographs; without them
            ``"frost_synthetic"`` is a texture in their place, under a name of its own.
        severity: 1, the mildest, to 5.
        seed: from 0 to 2^64 - 1.
        indices: (N,) the number of each image in its set, from 0 to 2^48 - 1; 0 ... N - 1 unless
            given.
        constants: ``"cifar"``, for images of 32 x 32; other sizes from 8 x 8 keep its sizes in
            pixels. ``"imagenet"``, for about 224 x 224, from 64 x 64.
        frost_images: a folder with photographs of frost; the first five by name are used, as in
            the original. Those of CIFAR are shrunk to a fifth.

    Returns:
        (N, C, H, W), uint8, on the device of ``images``; the work is done on the CPU, in tiles,
        which take some tens of MB beside the images and the result, or what a single large image
        takes.

    Raises:
        InputError: not such images, an unknown name or severity, another number of indices than
            images, images too small for the constants, or photographs absent or too small.

    Example:
        >>> import torch
        >>> from torchlgg.corruptions import corrupt
        >>> row = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).repeat(4)
        >>> images = row.expand(2, 3, 16, 16)
        >>> corrupt(images, "contrast", 5)[0, 0, 0, :4].tolist()
        [94, 104, 114, 133]
        >>> noisy = corrupt(images, "gaussian_noise", 1)
        >>> torch.equal(noisy[1:], corrupt(images[1:], "gaussian_noise", 1, indices=[1]))
        True

    Source: D. Hendrycks, T. Dietterich, Benchmarking neural network robustness to common
    corruptions and perturbations, ICLR 2019, and its scripts that make the two sets.
    """
    check_images(images, where="corrupt")
    check_name(name, where="corrupt")
    check_severity(severity, where="corrupt")
    check_option(constants, ("cifar", "imagenet"), name="constants", where="corrupt")
    check_seed(seed, where="corrupt")
    numbers = _numbers(indices, count=len(images))
    change = corruption(
        name,
        severity,
        shape=(images.shape[1], images.shape[2], images.shape[3]),
        seed=seed,
        constants=constants,
        frost_images=frost_images,
    )
    changed = change(images.detach().cpu().numpy(), numbers)
    return torch.from_numpy(changed).to(images.device)


def check_images(images: Tensor, *, where: str) -> None:
    """Raise an `InputError` unless these are (N, C, H, W) bytes of one or three channels."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
        came = (
            f"{images.dtype} of shape {tuple(images.shape)}"
            if isinstance(images, Tensor)
            else type(images).__name__
        )
        raise InputError(
            f"{where}: `images` must be a uint8 tensor (N, C, H, W), got {came}; normalise after "
            "the corruption"
        )
    if images.shape[1] not in (1, 3):
        raise InputError(
            f"{where}: `images` must have 1 or 3 channels, (N, C, H, W), got shape "
            f"{tuple(images.shape)}"
        )


def check_seed(seed: int, *, where: str) -> None:
    """Raise an `InputError` unless the seed fits 64 bits."""
    if type(seed) is not int or not 0 <= seed < 2**64:
        raise InputError(f"{where}: `seed` must be a whole number from 0 to 2^64 - 1, got {seed!r}")


def _numbers(indices: Tensor | Sequence[int] | None, *, count: int) -> Sequence[int]:
    if indices is None:
        return range(count)
    given = indices.cpu().numpy() if isinstance(indices, Tensor) else np.asarray(indices)
    if given.size == 0:
        given = given.astype(np.int64)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise InputError(
            "corrupt: `indices` must be one row of whole numbers, got "
            f"{given.dtype} of shape {given.shape}"
        )
    if len(given) != count:
        raise InputError(
            f"corrupt: `indices` must number every image: {count} images, {len(given)} indices"
        )
    if count and not (given.min() >= 0 and given.max() < 2**48):
        raise InputError(
            "corrupt: `indices` must lie between 0 and 2^48 - 1, got "
            f"{given.min() if given.min() < 0 else given.max()}"
        )
    numbers: list[int] = given.tolist()
    return numbers
