"""``lgg train`` of several recipes or seeds: a queue of runs, and the table at its end."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torchlgg.cli._queue import queue_exit_code, run_queue, visible_gpus
from torchlgg.cli._queue_job import Job
from torchlgg.cli._runs import compared, show_tables
from torchlgg.cli._screen import command_line, console
from torchlgg.cli._stop import TimeBudget
from torchlgg.core import InputError
from torchlgg.recipes import RunConfig, recipe, to_plain, with_settings

_EMBEDDINGS = "10-NN error"


def train_many(
    names: Sequence[str],
    *,
    words: Sequence[str],
    seeds: str | None,
    out: Path,
    parallel: int,
    per_gpu: int | None,
    time_budget: str | None,
) -> None:
    """Run every recipe with every seed, each in a folder of its own, and compare them.

    Args:
        names: recipes.
        words: settings that all of them get.
        seeds: such as ``"0-4"`` or ``"0,3"``; ``None`` is each recipe's own.
        out: the folder of the folders.
        parallel: how many runs at once.
        per_gpu: so many at once on every GPU instead.
        time_budget: for all of them together.
    """
    budget = TimeBudget(time_budget)
    gpus = visible_gpus() if per_gpu is not None else []
    jobs: list[Job] = []
    kinds: dict[str, list[Path]] = {}
    for name in names:
        config = with_settings(recipe(name), words)
        for seed in [config.training.seed] if seeds is None else parse_seeds(seeds):
            folder = out / config.recipe.replace(":", "-") / f"seed-{seed}"
            jobs.append(_job(name, config, words, seed, folder))
            kinds.setdefault(_EMBEDDINGS if config.task.embeds else "error", []).append(folder)
    outcomes = run_queue(
        jobs,
        parallel=parallel if per_gpu is None else per_gpu * len(gpus),
        console=console,
        go_on=command_line(),
        gpus=gpus,
        budget=budget,
    )
    done = {o.job.folder for o in outcomes if o.status in ("finished", "kept")}
    for measurement, folders in kinds.items():
        if finished := [folder for folder in folders if folder in done]:
            show_tables(compared(finished, measurement=measurement)[0])
    if code := queue_exit_code(outcomes):
        sys.exit(code)


def parse_seeds(words: str) -> list[int]:
    """The seeds that words such as ``"0-4"`` or ``"0,2,5-7"`` name, each once.

    Args:
        words: numbers and ranges, with commas between them.

    Raises:
        InputError: something else.
    """
    seeds: dict[int, None] = {}
    for part in words.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last or last - first >= 10_000:
            raise InputError(f"`--seeds` must look like 0-4 or 0,2,5; got {words!r}")
        seeds |= dict.fromkeys(range(first, last + 1))
    return list(seeds)


def _job(name: str, config: RunConfig, words: Sequence[str], seed: int, folder: Path) -> Job:
    config = replace(config, training=replace(config.training, seed=seed))
    settings = [option for word in words for option in ("--set", word)]
    return Job(
        name=f"{config.recipe}, seed {seed}",
        folder=folder,
        start=("train", name, *settings, "--set", f"training.seed={seed}", "--out", str(folder)),
        resume=("train", "--resume", str(folder)),
        config=to_plain(config.with_licences()),
        epochs=config.training.epochs,
    )
