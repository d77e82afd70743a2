"""What the weights of a run depend on, in few bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from torchlgg.core import InputError
from torchlgg.data import ImageSource
from torchlgg.training._config import TrainingConfig
from torchlgg.training._engine_config import EngineConfig
from torchlgg.training._objective import Objective

_ENGINE = ("precision", "ema", "micro_batches")  # the rest changes rounding at most


def fingerprint(
    objective: Objective,
    train: ImageSource,
    config: TrainingConfig,
    validation: ImageSource | None,
    engine: EngineConfig = EngineConfig(),  # noqa: B008  (frozen)
) -> dict[str, Any]:
    """What the weights depend on beside the student: configuration, images and teacher.

    Args:
        objective: as for :func:`fit`.
        train: as for :func:`fit`.
        config: as for :func:`fit`.
        validation: as for :func:`fit`.
        engine: as for :func:`fit`.

    Returns:
        The settings, and fingerprints of the images and of the teacher's weights, by name.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import Objective, TrainingConfig, fingerprint
        >>> objective = Objective(build_net("small_cnn", num_classes=10, in_channels=1))
        >>> list(fingerprint(objective, open_images("digits").train, TrainingConfig(), None))
        ['training', 'task', 'engine', 'training images', 'validation images', 'teacher']
    """
    return {
        "training": asdict(config),
        "task": {"kind": objective.task.kind, **asdict(objective.task)},
        "engine": {name: getattr(engine, name) for name in _ENGINE},
        "training images": _of_images(train),
        "validation images": None if validation is None else _of_images(validation),
        "teacher": None if objective.teacher is None else _of_net(objective.teacher),
    }


def compare_fingerprints(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise unless both are of runs that were asked for the same.

    Args:
        before: of the run that was stopped.
        now: of the one that is to go on.

    Raises:
        InputError: the first difference.
    """
    for part in ("training", "task", "engine"):
        for name in dict.fromkeys((*before[part], *now[part])):
            was, is_now = before[part].get(name), now[part].get(name)
            if was != is_now:
                raise InputError(
                    f"`resume` must be a state of this configuration: `{name}` was {was!r} "
                    f"and is {is_now!r}; what a run was asked for cannot change on the way"
                )
    for part in ("training images", "validation images", "teacher"):
        if before[part] != now[part]:
            verb = "is" if part == "teacher" else "are"
            raise InputError(
                f"the {part} {verb} not the same as when the run was stopped, so it cannot go "
                "on; bring back what it had, or start a new run"
            )


def _of_images(images: ImageSource) -> list[Any]:
    return [
        images.content_hash(),
        list(images.class_names),
        list(images.mean),
        list(images.std),
    ]


def _of_net(net: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in net.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(content.numpy().data)
    return digest.hexdigest()
