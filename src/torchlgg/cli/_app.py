"""The verbs of ``lgg`` and their options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

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

Data = Annotated[
    str,
    typer.Option(
        help="'digits', a folder of parquet files (train*.parquet, test*.parquet), or a folder "
        "with one folder of images per class."
    ),
]
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


@app.command()
def distill(
    data: Data,
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
        str, typer.Option(help="'none', 'hkd', 'rkd', 'gkd', or a sum such as 'hkd+gkd'.")
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
    hkd_weight: Annotated[float, typer.Option(help="The weight of 'hkd'.")] = 16.0,
    temperature: Annotated[float, typer.Option(help="The temperature of 'hkd'.")] = 4.0,
    rkd_weight: Annotated[float, typer.Option(help="The weight of 'rkd'.")] = 25.0,
    gkd_weight: Annotated[float, typer.Option(help="The weight of 'gkd'.")] = 25.0,
    k: Annotated[
        int | None, typer.Option(help="Neighbours in the graphs of 'gkd'; else complete.")
    ] = None,
    power: Annotated[int, typer.Option(help="The power of the graphs of 'gkd'.")] = 1,
    student_taps: Annotated[
        str, typer.Option(help="The student's layers: names or globs with commas, or 'auto'.")
    ] = "auto",
    teacher_taps: Annotated[
        str, typer.Option(help="The teacher's layers, as many, paired in order.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Of the weights, the batches and the crops.")] = 0,
    out: Annotated[Path, typer.Option(help="The folder of this run.")] = Path("runs/distill"),
    overwrite: Overwrite = False,
    device: Device = "auto",
) -> None:
    """Train a student on labelled images and on the geometry of a teacher."""
    from torchlgg.cli._distill import DistillRequest, run_distill
    from torchlgg.graphs import GraphSpec
    from torchlgg.training import DistillationConfig, TrainingConfig, parse_losses

    run_distill(
        DistillRequest(
            data=data,
            limit=limit,
            image_size=image_size,
            validation=validation,
            teacher_net=teacher_net,
            teacher_weights=teacher_weights,
            student_net=student,
            device=device,
            training=TrainingConfig(
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                crop_padding=crop_padding,
                flip=flip,
                seed=seed,
            ),
            distillation=DistillationConfig(
                losses=parse_losses(loss),
                hkd_weight=hkd_weight,
                temperature=temperature,
                rkd_weight=rkd_weight,
                gkd_weight=gkd_weight,
                spec=GraphSpec.graph_kd(k),
                power=power,
                student_taps=_taps(student_taps),
                teacher_taps=_taps(teacher_taps),
            ),
        ),
        out=out,
        overwrite=overwrite,
    )


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
def demo(
    out: Annotated[Path, typer.Option(help="The folder of this run.")] = Path("runs/demo"),
    overwrite: Overwrite = False,
    seeds: Annotated[int, typer.Option(help="Students of each loss.", min=1)] = 5,
    epochs: Annotated[int, typer.Option(help="Of the teacher and of each student.", min=1)] = 30,
) -> None:
    """On scikit-learn's digits: a teacher, and students by four losses at equal budget."""
    from torchlgg.cli._demo import run_demo_command

    run_demo_command(out=out, overwrite=overwrite, seeds=seeds, epochs=epochs)


def _taps(text: str) -> tuple[str, ...] | Literal["auto"]:
    return "auto" if text == "auto" else tuple(name.strip() for name in text.split(","))


def main() -> None:
    """Run ``lgg`` on the words of the command line; bad input is one sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        typer.echo(f"lgg: {error}", err=True)
        sys.exit(2)
