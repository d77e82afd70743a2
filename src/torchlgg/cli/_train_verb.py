"""The verbs ``lgg train`` and ``lgg recipes``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from torchlgg.cli._options import (
    DATA_HELP,
    Budget,
    DryRun,
    Overwrite,
    Resume,
    Settings,
    TeacherWeights,
    refuse_all_but,
)
from torchlgg.core import InputError


def train(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE...",
            help="Names of `lgg recipes`, YAML files, or module:function of your own.",
        ),
    ] = None,
    settings: Settings = None,
    data: Annotated[str | None, typer.Option(help=DATA_HELP)] = None,
    teacher_weights: TeacherWeights = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder of the run; runs/RECIPE if not given.")
    ] = None,
    overwrite: Overwrite = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the whole configuration, and stop.")
    ] = False,
    dry_run: DryRun = False,
    seeds: Annotated[
        str | None,
        typer.Option(help="One run for each seed, such as 0-4 or 0,2,5; ends in a table."),
    ] = None,
    jobs: Annotated[int, typer.Option(help="How many of several runs at once.")] = 1,
    jobs_per_gpu: Annotated[
        int | None, typer.Option(help="So many at once on every GPU.", min=1)
    ] = None,
    resume: Resume = None,
    time_budget: Budget = None,
) -> None:
    """Train by a recipe: to classify, distil, embed or make robust."""
    if resume is not None:
        from torchlgg.cli._train import resume_one

        refuse_all_but(context, "resume", "time_budget")
        resume_one(resume, time_budget=time_budget)
        return
    if not names:
        raise InputError("`lgg train` needs a recipe, such as fast/classify; see `lgg recipes`")
    from torchlgg.recipes import recipe, with_settings

    words = [f"data.source={json.dumps(data)}"] if data is not None else []
    if teacher_weights is not None:
        words.append(f"teacher.weights={json.dumps(str(teacher_weights))}")
    words += settings or ()
    if len(names) > 1 or seeds is not None:
        from torchlgg.cli._train_many import train_many

        for option, given in (
            ("--print-config", print_config),
            ("--dry-run", dry_run),
            ("--overwrite", overwrite),
        ):
            if given:
                raise InputError(
                    f"`{option}` is for a single run; leave it out, or `--seeds` and the other "
                    "recipes"
                )
        train_many(
            names,
            words=words,
            seeds=seeds,
            out=out if out is not None else Path("runs"),
            parallel=jobs,
            per_gpu=jobs_per_gpu,
            time_budget=time_budget,
        )
        return
    config = with_settings(recipe(names[0]), words)
    if print_config:
        import yaml

        from torchlgg.recipes import to_plain

        typer.echo(yaml.safe_dump(to_plain(config), sort_keys=False), nl=False)
        return
    from torchlgg.cli._train import list_taps, train_one

    if dry_run:
        list_taps(config)
        return
    folder = out if out is not None else Path("runs") / config.recipe.replace(":", "-")
    train_one(config, out=folder, overwrite=overwrite, time_budget=time_budget)


def recipes() -> None:
    """List the recipes of `lgg train`."""
    from torchlgg.recipes import recipe_names

    found = recipe_names()
    width = max(map(len, found))
    for name, line in found.items():
        typer.echo(f"{name:{width}}  {line}")
