"""The batches of an epoch. Shapes: N examples of a batch, n of them on this rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from torchlgg.data import ImageSource, balanced_batches, batches, random_crop_flip
from torchlgg.training._clock import Clock
from torchlgg.training._config import TrainingConfig
from torchlgg.training._ranks import Ranks


class Batch(NamedTuple):
    """One batch.

    Attributes:
        images: the rows of this rank, (n, C, H, W), cropped, flipped and normalised.
        labels_N: of all ranks.
        index_N: the positions among the training images, of all ranks.
    """

    images: Tensor
    labels_N: Tensor
    index_N: Tensor


def plan_epoch(
    train: ImageSource, config: TrainingConfig, smallest: int, order: torch.Generator
) -> tuple[Tensor, ...]:
    """The positions of each batch of an epoch, without batches too small for the losses.

    Args:
        train: the images.
        config: the sizes.
        smallest: the fewest examples that a batch may hold.
        order: the generator.
    """
    if config.classes_per_batch is None:
        plan = batches(len(train), batch_size=config.batch_size, generator=order)
        return tuple(index_N for index_N in plan if len(index_N) >= smallest)
    return balanced_batches(
        train.labels,
        classes=config.classes_per_batch,
        examples=config.batch_size // config.classes_per_batch,
        generator=order,
    )


def batches_of(
    train: ImageSource,
    plan: Sequence[Tensor],
    config: TrainingConfig,
    order: torch.Generator,
    device: torch.device,
    clock: Clock,
    *,
    ranks: Ranks,
) -> Iterator[Batch]:
    """Each batch of the plan; crops and flips are drawn for all of it, on every rank alike.

    Args:
        train: the images.
        plan: the positions.
        config: the augmentation.
        order: the generator.
        device: where the batches are wanted.
        clock: told the time of it.
        ranks: which rows are this process's.
    """
    own = [ranks.rows(len(index_N)) for index_N in plan]
    source = train.pixels([index_N[rows] for index_N, rows in zip(plan, own, strict=True)])
    for index_N, rows in zip(plan, own, strict=True):
        with clock("data"):
            pixels = next(source)
            if config.crop_padding or config.flip:
                pixels = random_crop_flip(
                    pixels,
                    padding=config.crop_padding,
                    flip=config.flip,
                    generator=order,
                    rows=(rows.start, len(index_N)),
                )
            images = train.normalize(pixels.to(device))
            labels_N = train.labels[index_N.to(train.labels.device)].to(device)
        yield Batch(images, labels_N, index_N)
