"""A validation set cut from a training set.

Shapes: N examples.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from torchlgg.core import InputError
from torchlgg.data._image_files import ImageFiles
from torchlgg.data._image_set import ImageSet
from torchlgg.data._sampling import check_seed, held_out

SetT = TypeVar("SetT", bound=ImageSet | ImageFiles)


class ValidationSplit(NamedTuple, Generic[SetT]):
    """A training set and the validation set that was cut from it.

    Attributes:
        train: what is left for training.
        validation: what was set aside.

    Example:
        >>> from torchlgg.data import open_images, split_validation
        >>> split_validation(open_images("digits").train, fraction=0.1)._fields
        ('train', 'validation')
    """

    train: SetT
    validation: SetT


def split_validation(
    image_set: SetT, *, fraction: float = 0.1, seed: int = 0
) -> ValidationSplit[SetT]:
    """Sets a stratified random part of a set aside.

    A class of n images gives round(``fraction`` * n) of them (halves up), but at least 1 and at
    most n - 1; a class of one image gives none. Both parts keep the order of the images, and both
    keep the normalisation of the whole set.

    Args:
        image_set: N images, in memory or on disk.
        fraction: of each class, between 0 and 1, both excluded.
        seed: of a PCG64 generator of numpy's that this call makes for itself: the global state of
            numpy and torch is neither read nor changed.

    Returns:
        ``train`` and ``validation``, of the kind of ``image_set``; each image is in exactly one of
        them.

    Raises:
        InputError: when ``fraction`` or ``seed`` is out of range, or no class has two images.

    Example:
        >>> from torchlgg.data import open_images, split_validation
        >>> parts = split_validation(open_images("digits").train, fraction=0.1, seed=3)
        >>> len(parts.train), len(parts.validation)
        (1293, 145)
        >>> parts.validation.labels.bincount().tolist()
        [14, 15, 14, 15, 15, 15, 15, 14, 14, 14]
    """
    if not 0 < fraction < 1:
        raise InputError(f"`fraction` must lie between 0 and 1, both excluded, got {fraction!r}")
    check_seed(seed)
    chosen = held_out(image_set.labels.cpu().numpy(), fraction=fraction, seed=seed)
    if not chosen.any():
        raise InputError(
            "`image_set` must have a class with at least two images to set one aside, but each "
            f"of its {len(image_set)} images is the only one of its class"
        )
    settings = f"fraction={fraction}, seed={seed}"

    def part(mask: NDArray[np.bool_], name: str) -> SetT:
        rows = image_set.subset(torch.from_numpy(np.flatnonzero(mask)))
        return cast("SetT", replace(rows, source=f"{image_set.source} ({name}, {settings})"))

    return ValidationSplit(part(~chosen, "training part"), part(chosen, "validation part"))
