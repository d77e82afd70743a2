"""The verbs of ``lgg``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from torchlgg.cli._distill_verb import distill
from torchlgg.cli._options import Data, Device, ImageSize, Overwrite
from torchlgg.cli._runs import runs_app
from torchlgg.cli._train_verb import recipes, train
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

for verb in (train, recipes, distill):
    app.command()(verb)


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


app.add_typer(runs_app, name="runs")


def main() -> None:
    """Run ``lgg`` on the words of the command line; bad input is one sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        typer.echo(f"lgg: {error}", err=True)
        sys.exit(2)
