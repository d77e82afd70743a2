"""What each process of a group does; all it found goes to a file of its rank."""

from __future__ import annotations

import datetime
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing, nn

from tests.contract.cases import CASES, Call
from tests.ranks import asked
from tests.ranks.jobs import Job, jobs, model_and_call, value_and_gradient, value_of

LIMIT = 60  # seconds after which a rank that waits in vain gives up


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
    found: dict[str, Any] = {str(job): _answer(job, rank) for job in jobs(world)}
    for question in asked.QUESTIONS:
        found[question.__name__] = question(rank, world)
    torch.save(found, folder / f"{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


def _answer(job: Job, rank: int) -> dict[str, Any]:
    """The loss of the whole batch and the parameters' gradient, as this rank has them."""
    model, whole = model_and_call(job)
    start = sum(job.counts[:rank])
    own: Call = whole.map(lambda x: x[start : start + job.counts[rank]])
    parallel = nn.parallel.DistributedDataParallel(model)
    group = distributed.group.WORLD
    case = CASES[job.name]
    value, gradient = value_and_gradient(job, parallel, own, case.function, group=group)
    outside = {name: own.options.pop(name) for name in list(own.options) if name != "labels"}
    module = case.module(**outside, group=group)
    with torch.no_grad():
        by_module = value_of(job, parallel, own, module)
    answer = {"value": value, "gradient": gradient}
    return {**answer, "by_module": by_module, "module": repr(module)}
