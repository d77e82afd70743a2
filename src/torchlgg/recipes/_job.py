"""A run before it begins: everything read, built and tried on one batch. Shapes: N images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from torchlgg.core import InputError
from torchlgg.data import ImageSource
from torchlgg.nets import NetConfig
from torchlgg.recipes._observer import Observer
from torchlgg.recipes._run_config import RunConfig
from torchlgg.training import (
    Objective,
    check_fit,
    choose_device,
    device_of,
    first_images,
    load_net,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """A configuration with all that was read and built for it.

    Args:
        config: what was asked for, with the licences that the files of weights say.
        device: where it runs.
        objective: the network, its teacher and the losses.
        train: the images to learn from.
        validation: the images to judge the epochs by.
        test: the images that are looked at once, at the end.
    """

    config: RunConfig
    device: torch.device
    objective: Objective
    train: ImageSource
    validation: ImageSource | None
    test: ImageSource


def prepare(config: RunConfig, observer: Observer = Observer()) -> Job:  # noqa: B008  (stateless)
    """Read and build everything, and try it on one batch; nothing is written.

    Args:
        config: what is asked for.
        observer: told how far the reading is.

    Raises:
        InputError: whatever would keep the run from beginning.

    Example:
        >>> from torchlgg.data import DataConfig
        >>> from torchlgg.nets import NetConfig
        >>> from torchlgg.recipes import RunConfig, prepare
        >>> config = RunConfig(data=DataConfig(source="digits"), net=NetConfig(name="small_cnn"))
        >>> len(prepare(config).train)
        1293
    """
    device = choose_device(config.engine.device)
    task = config.task
    if task.needs_teacher and (config.teacher is None or config.teacher.weights is None):
        raise InputError(
            f"the losses {'+'.join(task.names)} need a teacher: set `teacher.weights` to a file of "
            "its weights (--teacher-weights FILE)"
        )
    with observer.part("reading images") as progress:
        train, validation, test = config.data.open(progress)
    config = config.with_licences()
    teacher = None
    if task.needs_teacher:
        assert config.teacher is not None
        teacher = _teacher(config.teacher, train).to(device)
    torch.manual_seed(config.training.seed)
    net = config.net.build(num_classes=len(train.class_names), in_channels=train.shape[0])
    objective = Objective(net.to(device), teacher=teacher, task=task)
    rehearse(objective, train, config)
    return Job(
        config=config,
        device=device,
        objective=objective,
        train=train,
        validation=validation,
        test=test,
    )


def _teacher(config: NetConfig, images: ImageSource) -> nn.Module:
    assert config.weights is not None
    return load_net(config.name, config.weights, images)[0]


def rehearse(objective: Objective, train: ImageSource, config: RunConfig) -> None:
    """Fail before anything is written if the networks, taps, losses and images do not fit.

    Args:
        objective: the networks and losses.
        train: the images.
        config: the schedule.

    Raises:
        InputError: they do not.
    """
    check_fit(objective, train, config.training, config.engine)
    inputs, labels_N = first_images(train, objective.smallest_batch, device_of(objective.student))
    try:
        objective.rehearse(inputs, labels_N)
    except InputError:
        raise
    except (RuntimeError, AssertionError, ValueError, IndexError) as error:  # a network's words
        size = " x ".join(map(str, train.shape[1:]))
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"the networks cannot take images of {train.shape[0]} x {size}: {reason}; another "
            "`data.image_size` (--image-size) may do"
        ) from error
