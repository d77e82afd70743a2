"""The speed of training, against loops of plain torch and against torchdistill."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable
from functools import partial
from importlib import metadata, util
from typing import Any

import torch
from torch import nn

from benchmarks._measure import LeftOut, Row, interleaved, quartiles, times
from benchmarks._training_forms import (
    LAST_MAP,
    Epochs,
    box,
    by_batch,
    by_image,
    ours,
    prepared,
)
from torchlgg.data import ImageSet
from torchlgg.nets import build_net
from torchlgg.training import Classify, Distill, Objective, TrainingConfig


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is trained."""

    batch: int
    steps: int  # of an epoch
    rounds: int  # each an epoch of every loop

    @property
    def images(self) -> int:
        """Of an epoch."""
        return self.batch * self.steps


FULL, QUICK = Scale(128, 20, 7), Scale(16, 2, 1)


def pictures(count: int) -> ImageSet:
    """Noise of the shape of CIFAR-10, by seed, with its published mean and deviation."""
    draws = torch.Generator().manual_seed(0)
    return ImageSet(
        images=torch.randint(256, (count, 3, 32, 32), generator=draws, dtype=torch.uint8),
        labels=torch.randint(10, (count,), generator=draws),
        class_names=tuple(map(str, range(10))),
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        source="noise",
    )


def schedule(scale: Scale, *, augmented: bool) -> TrainingConfig:
    """A constant learning rate, so that all loops follow it without a scheduler."""
    return TrainingConfig(
        epochs=1000,  # as many as are asked for
        batch_size=scale.batch,
        learning_rate=0.01,
        decay_at=(),
        crop_padding=4 if augmented else 0,
        flip=augmented,
    )


def built(name: str) -> nn.Module:
    torch.manual_seed(1)
    return build_net(name, num_classes=10)


Loop = Callable[[nn.Module, ImageSet], Epochs]
"""From a network and images to the mean losses of the epochs."""


def agree(net: nn.Module, first: Loop, second: Loop, scale: Scale) -> None:
    """Raise unless one step on one batch gives the same loss and the same weights."""
    one = pictures(scale.batch)
    nets = [copy.deepcopy(net) for _ in range(2)]
    values = [next(loop(copied, one)) for loop, copied in zip((first, second), nets, strict=True)]
    assert abs(values[0] / values[1] - 1) < 1e-4, values
    for a, b in zip(*(copied.parameters() for copied in nets), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def epochs_of(net: nn.Module, loops: dict[str, Loop], scale: Scale) -> dict[str, list[float]]:
    """Seconds of an epoch of every loop, each with a copy of the network that it goes on training.

    The first epoch is the warm-up. Its mean losses must be near each other: with crops, which every
    loop draws by its own means, they are not equal; see :func:`agree`.
    """
    train = pictures(scale.images)
    running = {name: loop(copy.deepcopy(net), train) for name, loop in loops.items()}
    losses = [next(epochs) for epochs in running.values()]
    assert max(losses) < 1.5 * min(losses), dict(zip(running, losses, strict=True))
    forms = {name: partial(next, epochs) for name, epochs in running.items()}
    seconds = interleaved(forms, rounds=scale.rounds, warm_up=False)
    for epochs in running.values():
        epochs.close()  # type: ignore[attr-defined]
    return seconds


def throughput(
    pair: str,
    what: str,
    seconds: dict[str, list[float]],
    scale: Scale,
    *,
    ahead: bool = False,
    note: str = "",
) -> Row:
    """How many times the throughput of the second of two loops the first has."""
    mine, theirs = seconds
    rates = [scale.images / quartiles(values)[1] for values in seconds.values()]
    named = {name: f"{name} [{pair.replace(',', '')}]" for name in seconds}
    said = f"{rates[0]:,.0f} against {rates[1]:,.0f} images a second"
    row = times(
        f"{pair}: throughput of fit over {what}",
        {named[name]: values for name, values in seconds.items()},
        named[theirs],
        named[mine],
        1,
        note="; ".join(text for text in (said, note) if text),
    )
    if not ahead:
        return row
    return dataclasses.replace(row, target="> 1×", met=bool(row.met) and row.ours != "1.00×")


def training(quick: bool) -> list[Row]:
    """`fit` for labels alone, against loops of plain torch over the same network and images."""
    rows, scale = [], QUICK if quick else FULL
    for name in ("wrn10-1",) if quick else ("wrn10-1", "wrn16-1"):
        net = built(name)
        fits = {
            augmented: partial(_classify, config=schedule(scale, augmented=augmented))
            for augmented in (True, False)
        }
        bare = partial(prepared, config=schedule(scale, augmented=False))
        agree(net, fits[False], bare, scale)
        crops = schedule(scale, augmented=True)
        seconds = epochs_of(
            net,
            {
                "fit": fits[True],
                "by the batch": partial(by_batch, config=crops),
                "by the image": partial(by_image, config=crops),
                "fit without crops": fits[False],
                "prepared": bare,
            },
            scale,
        )
        for what, mine, theirs in (
            ("a loop of plain torch, crop + flip by the batch", "fit", "by the batch"),
            ("the same with torchvision's transforms by the image", "fit", "by the image"),
            (
                "a bare loop over batches normalised beforehand, both without crop and flip",
                "fit without crops",
                "prepared",
            ),
        ):
            chosen = {form: seconds[form] for form in (mine, theirs)}
            rows.append(throughput(f"{name}, batch {scale.batch}", what, chosen, scale))
    return rows


SP_DIFFERS = (
    "its rows are divided by their sum, not their norm; with that put right the losses agree"
)


def _classify(net: nn.Module, train: ImageSet, *, config: TrainingConfig) -> Epochs:
    return ours(Objective(net, task=Classify()), train, config)


def _taught(
    net: nn.Module, train: ImageSet, *, teacher: nn.Module, config: TrainingConfig, task: Distill
) -> Epochs:
    return ours(Objective(net, teacher=copy.deepcopy(teacher), task=task), train, config)


def _boxed(net: nn.Module, train: ImageSet, *, teacher: nn.Module, **settings: Any) -> Epochs:
    return box(copy.deepcopy(teacher), net, train, **settings)


def distillation(quick: bool) -> list[Row]:
    """`fit` with a teacher against torchdistill's box, with its loader and without."""
    if util.find_spec("torchdistill") is None:
        raise LeftOut("needs torchdistill: pip install 'torchlgg[bench]'")
    version = metadata.version("torchdistill")
    teacher, student = built("wrn16-1").eval(), built("wrn10-1")
    rows, scale = [], QUICK if quick else FULL
    for loss, augmented in itertools.product(("hkd", "sp"), (False, True)):
        config = schedule(scale, augmented=augmented)
        task = Distill(losses=(loss,), student_taps=(LAST_MAP,), teacher_taps=(LAST_MAP,))

        mine = partial(_taught, teacher=teacher, config=config, task=task)
        theirs = partial(_boxed, teacher=teacher, config=config, loss=loss, feeds_itself=augmented)
        if not augmented:
            agree(student, mine, theirs, scale)
        seconds = epochs_of(student, {"fit": mine, "torchdistill": theirs}, scale)
        fed = "crop + flip, its loader" if augmented else "its box alone, whole batches"
        rows.append(
            throughput(
                f"{loss}, wrn16-1 → wrn10-1, batch {scale.batch}, {fed}",
                f"torchdistill {version}",
                seconds,
                scale,
                ahead=True,
                note=SP_DIFFERS if loss == "sp" else "",
            )
        )
    return rows
