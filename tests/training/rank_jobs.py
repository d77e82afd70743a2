"""What each of several processes trains, for the tests of ranks; all it found goes to a file."""

from __future__ import annotations

import datetime
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn

from tests.training.making import CONFIG, Plain, distillation, small_net, states_of, trained
from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images
from torchlgg.training import EngineConfig, Objective, Ranks, StoppedElsewhere, fit

LIMIT = 60  # seconds after which a rank that waits in vain gives up
ODD = replace(CONFIG, batch_size=33)  # 17 and 16 rows; of 67 images the last is left over


def images(count: int = 130) -> ImageSet:
    return open_images("digits", limit=count).train


def run(world: int, folder: Path) -> list[dict[str, Any]]:
    """What each of ``world`` processes found, by rank."""
    context = multiprocessing.spawn(_process, (world, folder), nprocs=world, join=False)
    deadline = time.monotonic() + 3 * LIMIT
    while not context.join(timeout=1):
        if time.monotonic() > deadline:
            for process in context.processes:
                process.kill()
            pytest.fail(f"{world} processes did not end")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world)]


def _process(rank: int, world: int, folder: Path) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meet",
        rank=rank,
        world_size=world,
        timeout=datetime.timedelta(seconds=LIMIT),
    )
    torch.save({job.__name__: job() for job in JOBS}, folder / f"{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


def distilled() -> dict[str, Any]:
    """Graphs of the whole batch, a balanced weight, an uneven split, in double precision."""
    student = Plain(dtype=torch.float64)
    weights, reports = trained(distillation(student), images(), ODD)
    return {
        "weights": weights,
        "terms": reports[-1].terms,
        "shares": reports[0].gradient_shares,
        "error": reports[-1].validation_error,
        "seen": max(size for size, graph in student.sizes if graph),
    }


def with_everything() -> dict[str, Any]:
    settings = {"precision": "float16", "micro_batches": 2, "ema": 0.8, "channels_last": True}
    weights, reports = trained(distillation(Plain()), images(), **settings)
    return {"weights": weights, "terms": reports[-1].terms}


def kept_teacher() -> dict[str, Any]:
    still = replace(ODD, crop_padding=0, flip=False)
    return {"weights": trained(distillation(Plain()), images(), still, cache_teacher=True)[0]}


def left_over() -> dict[str, Any]:
    """One image more than two batches hold: a rank would have none of it."""
    reports = list(fit(Objective(small_net()), images(67), replace(ODD, epochs=1)))
    return {"steps": reports[0].steps}


def resumed() -> dict[str, Any]:
    """Each rank draws its own random numbers, and goes on with them."""

    def make() -> Objective:
        return distillation(Plain(dropout=0.3))

    states = states_of(make(), images())
    found = states_of(make(), images(), resume=states[0])
    with_batch_norm = states_of(distillation(), images())[-1]
    return {
        "unbroken": dict(states[-1].student),
        "resumed": dict(found[-1].student),
        "generators": dict(states[-1].generators),
        "again": dict(found[-1].generators),
        "batch norm": dict(with_batch_norm.student),
    }


def diverged() -> dict[str, Any]:
    """A weight of one rank turns NaN between two steps, and with it the rows of that rank."""
    student = Plain()

    def poison(done: int, total: int) -> None:
        if done == 2 and Ranks.current().rank == 1:
            student.linear.bias.data[0] = torch.nan

    return {"sentence": sentence(lambda: list(fit(Objective(student), images(), on_step=poison,
            config=CONFIG)))}  # fmt: skip


def stopped() -> dict[str, Any]:
    """One rank is told to stop."""

    def stop(done: int, total: int) -> None:
        if done == 2 and Ranks.current().rank == Ranks.current().count - 1:
            raise TimeoutError("no time is left")

    return {"sentence": sentence(lambda: list(fit(Objective(Plain()), images(), CONFIG,
            on_step=stop)))}  # fmt: skip


def too_small() -> dict[str, Any]:
    few = replace(CONFIG, batch_size=2)
    objective = Objective(Plain())
    return {"sentence": sentence(lambda: list(fit(objective, images(), few)))}


def other_weights() -> dict[str, Any]:
    """Each rank begins with weights of its own: those of rank 0 count."""
    student: nn.Module = small_net(Ranks.current().rank)
    engine = EngineConfig(ema=0.5)
    list(fit(Objective(student), images(), replace(CONFIG, epochs=1), engine))
    return {"weights": dict(student.state_dict())}


def sentence(action: Callable[[], object]) -> str:
    try:
        action()
    except (InputError, TimeoutError, StoppedElsewhere) as problem:
        return f"{type(problem).__name__}: {problem}"
    return "nothing"


JOBS: tuple[Callable[[], dict[str, Any]], ...] = (
    distilled,
    with_everything,
    kept_teacher,
    left_over,
    resumed,
    diverged,
    stopped,
    too_small,
    other_weights,
)

Found = dict[str, Tensor]
