"""One epoch of training, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import fmean
from typing import Any

import torch

from torchlgg.core import InputError
from torchlgg.data import ImageSource
from torchlgg.training._clock import Clock
from torchlgg.training._config import TrainingConfig
from torchlgg.training._diverged import DivergedError, TermSums, check_weights
from torchlgg.training._epoch_report import EpochReport
from torchlgg.training._feed import batches_of, plan_epoch
from torchlgg.training._passes import Passes
from torchlgg.training._predict import device_of
from torchlgg.training._state import Moving


def train_epoch(
    epoch: int,
    moving: Moving,
    passes: Passes,
    train: ImageSource,
    config: TrainingConfig,
    *,
    clock: Clock,
    on_step: Callable[[int, int], None] | None,
) -> EpochReport:
    """Train over all batches once.

    Args:
        epoch: counted from 0.
        moving: the student, the optimiser, and all else that changes.
        passes: how the networks are run.
        train: the images.
        config: the schedule.
        clock: told the time of each part.
        on_step: told (steps done, steps of the epoch).

    Returns:
        The report, without anything that is measured after the epoch.

    Raises:
        DivergedError: a term or a weight that is not finite.
    """
    objective, optimizer, ranks = moving.objective, moving.optimizer, moving.ranks
    student = objective.student
    device = device_of(student)
    student.train()
    sums = TermSums(device, epoch + 1)
    shares: dict[str, list[float]] = {}
    started, images_seen, skipped = time.perf_counter(), 0, 0
    smallest = max(objective.smallest_batch, ranks.count)
    plan = plan_epoch(train, config, smallest, moving.order)
    rate = config.learning_rate
    clock.tick()
    feed = batches_of(train, plan, config, moving.order, device, clock, ranks=ranks)
    for step, batch in enumerate(feed, start=1):
        rate = config.learning_rate_at(epoch + (step - 0.5) / len(plan))
        with clock("optimiser"):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
        try:
            terms = objective.backward(
                batch.images, batch.labels_N, clock, passes=passes, index_N=batch.index_N
            )
        except InputError as problem:
            sums.look()  # an earlier step may have been the first
            if epoch == 0 and step == 1:
                raise  # it never fitted; what fitted once and no longer does has diverged
            raise DivergedError(
                f"training diverged in step {step} of epoch {epoch + 1}: {problem}"
            ) from problem
        sums.add(terms.values)
        for name, share in (terms.shares or {}).items():
            shares.setdefault(name, []).append(share)
        with clock("optimiser"):
            skipped += not _step(moving)
        images_seen += len(batch.labels_N)
        if on_step is not None:
            ranks.together(partial(on_step, step, len(plan)))
        clock.tick()
    terms_mean = sums.means()
    seconds = time.perf_counter() - started
    check_weights(student, epoch + 1)
    return EpochReport(
        epoch=epoch + 1,
        learning_rate=rate,
        terms=terms_mean,
        gradient_shares={name: fmean(found) for name, found in shares.items()},
        validation_error=None,
        seconds=seconds,
        images_per_second=images_seen / seconds,
        part_seconds=clock.take(),
        steps=len(plan),
        skipped_steps=skipped,
    )


def _step(moving: Moving) -> bool:
    """One step of the optimiser, unless half precision overflowed: whether it was made."""
    made = False

    def note(*_: Any) -> None:
        nonlocal made
        made = True

    hook = moving.optimizer.register_step_post_hook(note)
    moving.scaler.step(moving.optimizer)
    moving.scaler.update()
    hook.remove()
    if made:
        student = moving.objective.student
        moving.objective.task.after_step(student)
        if moving.average is not None:
            with torch.no_grad():
                moving.average.update_parameters(student)
    return made
