"""The verbs of ``lgg`` and their options."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from torchlgg.cli._runs import runs_app
from torchlgg.core import InputError

app = typer.Typer(
    name="lgg",
    help="Latent geometry graphs: the geometry of a network's latent spaces, to see, compare and "
    "train on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_DATA_HELP = (
    "'digits', or a folder: of images by class, of parquet files, of CIFAR or SVHN as published, "
    "or of arrays (.npy, or one .npz)."
)
app.add_typer(runs_app, name="runs")

Data = Annotated[str, typer.Option(help=_DATA_HELP)]
ImageSize = Annotated[
    int | None, typer.Option(help="Resize and crop images of mixed sizes to this many pixels.")
]
Device = Annotated[str, typer.Option(help="'auto' is the accelerator if there is one, else 'cpu'.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run at --out.")]


def _version(asked: bool) -> None:
    if asked:
        from torchlgg import __version__

        typer.echo(f"lgg {__version__}")
        raise typer.Exit


@app.callback()
def _lgg(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


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
TimeBudget = Annotated[
    str | None,
    typer.Option(help="Stop in time, to be resumed: so many seconds, minutes or hours, as 9m."),
]


@app.command()
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
    data: Annotated[str | None, typer.Option(help=_DATA_HELP)] = None,
    teacher_weights: Annotated[
        Path | None, typer.Option(help="The teacher's weights: safetensors or a state dict.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder of the run; runs/RECIPE if not given.")
    ] = None,
    overwrite: Overwrite = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the whole configuration, and stop.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the layers that are compared, with shapes, and stop."),
    ] = False,
    seeds: Annotated[
        str | None,
        typer.Option(help="One run for each seed, such as 0-4 or 0,2,5; ends in a table."),
    ] = None,
    jobs: Annotated[int, typer.Option(help="How many of several runs at once.")] = 1,
    jobs_per_gpu: Annotated[
        int | None, typer.Option(help="So many at once on every GPU.", min=1)
    ] = None,
    resume: Resume = None,
    time_budget: TimeBudget = None,
) -> None:
    """Train by a recipe: to classify, distil, embed or make robust."""
    if resume is not None:
        from torchlgg.cli._train import resume_one

        _refuse_all_but(context, "resume", "time_budget")
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


@app.command()
def recipes() -> None:
    """List the recipes of `lgg train`."""
    from torchlgg.recipes import recipe_names

    found = recipe_names()
    width = max(map(len, found))
    for name, line in found.items():
        typer.echo(f"{name:{width}}  {line}")


@app.command()
def distill(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(help=_DATA_HELP)] = None,
    teacher_weights: Annotated[
        Path | None, typer.Option(help="The teacher's weights: safetensors or a state dict.")
    ] = None,
    teacher_net: Annotated[
        str | None,
        typer.Option(help="The teacher's network; not needed if its weights say it themselves."),
    ] = None,
    student: Annotated[
        str, typer.Option(help="The student's network, such as 'wrn28-0.5' or 'timm:resnet18'.")
    ] = "wrn28-0.5",
    loss: Annotated[
        str,
        typer.Option(
            help="'none', or a sum such as 'hkd+gkd' of: hkd, dkd, dist (predictions), rkd, rkd-a, "
            "sp, pkt, cc, at, gkd (layers)."
        ),
    ] = "gkd",
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 200,
    batch_size: Annotated[int, typer.Option(help="Examples in a batch, and in its graphs.")] = 128,
    learning_rate: Annotated[
        float, typer.Option(help="Of the first epoch; x 0.2 after 30, 60 and 80 % of them.")
    ] = 0.1,
    crop_padding: Annotated[
        int, typer.Option(help="Zeros around an image before a random crop; 0: no cropping.")
    ] = 4,
    flip: Annotated[bool, typer.Option(help="Mirror half of the images.")] = True,
    limit: Annotated[int | None, typer.Option(help="Use only so many training images.")] = None,
    image_size: ImageSize = None,
    validation: Annotated[
        float, typer.Option(help="The fraction of the training images to hold out; 0: none.")
    ] = 0.1,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Another weight than the published one, such as gkd=10."
        ),
    ] = None,
    gradient_ratio: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Instead of a weight: the size of a loss's gradient relative to that of the "
            "labels' cross-entropy, such as gkd=1.",
        ),
    ] = None,
    temperature: Annotated[float, typer.Option(help="The temperature of 'hkd' and 'dkd'.")] = 4.0,
    k: Annotated[
        int | None, typer.Option(help="Neighbours in the graphs of 'gkd'; else complete.")
    ] = None,
    power: Annotated[int, typer.Option(help="The power of the graphs of 'gkd'.")] = 1,
    student_taps: Annotated[
        str, typer.Option(help="The student's layers: names or globs with commas, or 'auto'.")
    ] = "auto",
    teacher_taps: Annotated[str, typer.Option(help="The teacher's layers.")] = "auto",
    pair_taps: Annotated[
        Literal["order", "end", "name"],
        typer.Option(
            help="'order': as many, in order; 'end': from the last one back; 'name': those that "
            "both have."
        ),
    ] = "order",
    seed: Annotated[int, typer.Option(help="Of the weights, the batches and the crops.")] = 0,
    out: Annotated[Path, typer.Option(help="The folder of this run.")] = Path("runs/distill"),
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the layers that are compared, with shapes, and stop."),
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the run in this folder, as it was asked for; only --time-budget goes "
            "with it."
        ),
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(help="Stop in time, to be resumed: so many seconds, minutes or hours, as 9m."),
    ] = None,
) -> None:
    """Train a student on labelled images and on the geometry of a teacher."""
    from torchlgg.cli._train import list_taps, resume_one, train_one
    from torchlgg.data import DataConfig
    from torchlgg.graphs import GraphSpec
    from torchlgg.nets import NetConfig
    from torchlgg.recipes import RunConfig
    from torchlgg.training import (
        DKD,
        GKD,
        HKD,
        Distill,
        EngineConfig,
        Term,
        TrainingConfig,
        parse_losses,
        parse_numbers,
    )

    if resume is not None:
        _refuse_all_but(context, "resume", "time_budget")
        resume_one(resume, time_budget=time_budget)
        return
    if data is None:
        raise InputError("`--data` says which images to train on; or go on with a run by --resume")
    names = parse_losses(loss)
    if names and teacher_weights is None:
        raise InputError(
            f"`--loss {loss}` needs a teacher: pass --teacher-weights (or --loss none)"
        )
    with_settings: dict[str, Term] = {
        "hkd": HKD(temperature=temperature),
        "dkd": DKD(temperature=temperature),
        "gkd": GKD(spec=GraphSpec.graph_kd(k), power=power),
    }
    teacher = None
    if teacher_weights is not None:
        teacher = NetConfig(name=teacher_net, weights=str(teacher_weights))
    config = RunConfig(
        data=DataConfig(source=data, limit=limit, image_size=image_size, validation=validation),
        net=NetConfig(name=student),
        teacher=teacher,
        task=Distill(
            losses=tuple(with_settings.get(name, name) for name in names),
            weights=parse_numbers(weight or (), option="--weight"),
            gradient_ratios=parse_numbers(gradient_ratio or (), option="--gradient-ratio"),
            student_taps=_taps(student_taps),
            teacher_taps=_taps(teacher_taps),
            pair_taps=pair_taps,
        ),
        training=TrainingConfig(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            crop_padding=crop_padding,
            flip=flip,
            seed=seed,
        ),
        engine=EngineConfig(device=device),
        recipe="distill",
    )
    if dry_run:
        list_taps(config)
        return
    train_one(config, out=out, overwrite=overwrite, time_budget=time_budget)


@app.command()
def evaluate(
    weights: Annotated[Path, typer.Option(help="Safetensors or a state dict.")],
    data: Data,
    net: Annotated[
        str | None,
        typer.Option(help="The network; not needed if the weights say it themselves."),
    ] = None,
    teacher_weights: Annotated[
        Path | None, typer.Option(help="Also measure agreement with this teacher.")
    ] = None,
    teacher_net: Annotated[str | None, typer.Option(help="The teacher's network.")] = None,
    embeddings: Annotated[
        str | None,
        typer.Option(
            help="Also classify by the embeddings of this layer: nearest neighbours, linear probe, "
            "RBF SVC."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Use only so many training images for --embeddings.")
    ] = None,
    image_size: ImageSize = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep the result as a record in this folder.")
    ] = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
) -> None:
    """Measure a classifier on the test images, and its distance to a teacher."""
    from torchlgg.cli._evaluate import run_evaluate

    run_evaluate(
        weights=weights,
        data=data,
        net=net,
        teacher_weights=teacher_weights,
        teacher_net=teacher_net,
        embeddings=embeddings,
        limit=limit,
        image_size=image_size,
        out=out,
        overwrite=overwrite,
        device=device,
    )


@app.command()
def export(
    source: Annotated[
        Path, typer.Argument(help="The folder of a run, or a file of safetensors that a run wrote.")
    ],
    out: Annotated[
        Path, typer.Argument(help="The file: .pt2 (torch.export), or .onnx (needs torchlgg[onnx]).")
    ],
    net: Annotated[
        str | None,
        typer.Option(help="The network, where it is built by a function of your own."),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(help="Height and width of the images; else those of the training."),
    ] = None,
    takes: Annotated[
        Literal["pixels", "normalized"],
        typer.Option(help="'pixels' from 0 to 1, or images that are 'normalized' already."),
    ] = "pixels",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file at OUT.")] = False,
) -> None:
    """Write a trained network as a file that runs without torchlgg."""
    from torchlgg.cli._export import run_export

    run_export(source, out, net=net, image_size=image_size, takes=takes, overwrite=overwrite)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder of this run.")] = Path("runs/demo"),
    overwrite: Overwrite = False,
    seeds: Annotated[int, typer.Option(help="Students of each loss.", min=1)] = 5,
    epochs: Annotated[int, typer.Option(help="Of the teacher and of each student.", min=1)] = 30,
) -> None:
    """On scikit-learn's digits: a teacher, and students by four losses at equal budget."""
    from torchlgg.cli._demo import run_demo_command

    run_demo_command(out=out, overwrite=overwrite, seeds=seeds, epochs=epochs)


def _refuse_all_but(context: typer.Context, first: str, *others: str) -> None:
    """Raise :class:`InputError` for an option that was given beside ``first`` and cannot be."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in (first, *others) and source is not None and source.name == "COMMANDLINE":
            option = "RECIPE" if name == "names" else f"--{name.replace('_', '-')}"
            raise InputError(
                f"`{option}` cannot change when a run goes on by `--{first}`: all it was asked for "
                f"is in its folder, and its schedule depends on it; leave `{option}` out, or start "
                "a new run"
            )


def _taps(text: str) -> tuple[str, ...] | Literal["auto"]:
    return "auto" if text == "auto" else tuple(name.strip() for name in text.split(","))


def main() -> None:
    """Run ``lgg`` on the words of the command line; bad input is one sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        typer.echo(f"lgg: {error}", err=True)
        sys.exit(2)
