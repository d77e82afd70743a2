"""What a teacher gives for every training image, computed once. Shapes: N images, B of a batch."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from torchlgg.core import InputError
from torchlgg.data import ImageSource, batches
from torchlgg.training._config import TrainingConfig
from torchlgg.training._engine_config import EngineConfig
from torchlgg.training._forward import Forward
from torchlgg.training._predict import device_of, first_images
from torchlgg.training._task import Task
from torchlgg.training._view import View

LARGEST_CACHE = 4 * 2**30  # bytes


class TeacherCache:
    """The logits and taps of a teacher for all training images, by position.

    Args:
        forward: the teacher.
        train: the images.
        batch_size: how many at once.
    """

    def __init__(self, forward: Forward, train: ImageSource, *, batch_size: int) -> None:
        device = device_of(forward.net)
        plan = batches(len(train), batch_size=batch_size)
        self._all: dict[str, Tensor] = {}
        with torch.no_grad():
            for index_B, pixels in zip(plan, train.pixels(plan), strict=True):
                found = forward(train.normalize(pixels.to(device))).tensors()
                for name, tensor in found.items():
                    if name not in self._all:
                        self._all[name] = tensor.new_empty(len(train), *tensor.shape[1:])
                    self._all[name][index_B.to(device)] = tensor

    def view(self, index_B: Tensor) -> View:
        """What the teacher gave for some of the images.

        Args:
            index_B: their positions.
        """
        return View.of({name: rows[index_B.to(rows.device)] for name, rows in self._all.items()})


def check_cache(
    teacher: nn.Module | None,
    task: Task,
    train: ImageSource,
    config: TrainingConfig,
    engine: EngineConfig,
) -> None:
    """Raise unless what the teacher gives can be kept.

    Args:
        teacher: ``None`` where there is none.
        task: whose taps are read.
        train: the images.
        config: their augmentation.
        engine: the precision of what is kept.

    Raises:
        InputError: no teacher, images that change from epoch to epoch, or too many bytes.
    """
    if teacher is None:
        raise InputError("`cache_teacher` is set, but no loss of this run reads a teacher")
    if config.crop_padding or config.flip:
        raise InputError(
            "`cache_teacher` needs images that are the same in every epoch: set `crop_padding` to "
            f"0 and `flip` to False (they are {config.crop_padding} and {config.flip}), or leave "
            "it off"
        )
    forward = Forward(
        teacher, task.partner_taps if task.reads_taps else None, replace(engine, compile=None)
    )
    images, _ = first_images(train, 1, device_of(teacher))
    with torch.no_grad():
        tensors = forward(images).tensors().values()
    size = len(train) * sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if size > LARGEST_CACHE:
        raise InputError(
            f"`cache_teacher` would hold {size / 2**30:.1f} GiB for {len(train)} images, and may "
            f"hold {LARGEST_CACHE / 2**30:.0f}: leave it off, or compare fewer or smaller taps"
        )
