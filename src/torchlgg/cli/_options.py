"""Options that several verbs of ``lgg`` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torchlgg.core import InputError

DATA_HELP = (
    "'digits', or a folder: of images by class, of parquet files, of CIFAR or SVHN as published, "
    "or of arrays (.npy, or one .npz)."
)
Data = Annotated[str, typer.Option(help=DATA_HELP)]
ImageSize = Annotated[
    int | None, typer.Option(help="Resize and crop images of mixed sizes to this many pixels.")
]
Device = Annotated[str, typer.Option(help="'auto' is the accelerator if there is one, else 'cpu'.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run at --out.")]


Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Change a setting, such as training.epochs=30."
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        help="Go on with the run in this folder, as it was asked for; only --time-budget goes "
        "with it."
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(help="Stop in time, to be resumed: so many seconds, minutes or hours, as 9m."),
]


TeacherWeights = Annotated[
    Path | None, typer.Option(help="The teacher's weights: safetensors or a state dict.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="List the layers that are compared, with shapes, and stop."),
]


def refuse_all_but(context: typer.Context, first: str, *others: str) -> None:
    """Raise :class:`InputError` for an option that was given beside ``first`` and cannot be."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in (first, *others) and source is not None and source.name == "COMMANDLINE":
            option = _as_typed(context, name)
            raise InputError(
                f"`{option}` cannot change when a run goes on by `--{first}`: all it was asked for "
                f"is in its folder, and its schedule depends on it; leave `{option}` out, or start "
                "a new run"
            )


def _as_typed(context: typer.Context, name: str) -> str:
    """A parameter as the user knows it: its first word on the command line, or its metavar."""
    parameter = next(parameter for parameter in context.command.params if parameter.name == name)
    words = [word for word in parameter.opts if word.startswith("-")]
    return words[0] if words else str(parameter.metavar or name).removesuffix("...")
