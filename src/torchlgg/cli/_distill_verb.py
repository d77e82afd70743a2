"""The verb ``lgg distill``: a recipe of distillation, in options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from torchlgg.cli._options import (
    DATA_HELP,
    Budget,
    Device,
    DryRun,
    ImageSize,
    Overwrite,
    Resume,
    TeacherWeights,
    refuse_all_but,
)
from torchlgg.core import InputError


def distill(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(help=DATA_HELP)] = None,
    teacher_weights: TeacherWeights = None,
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
    dry_run: DryRun = False,
    resume: Resume = None,
    time_budget: Budget = None,
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
        refuse_all_but(context, "resume", "time_budget")
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


def _taps(text: str) -> tuple[str, ...] | Literal["auto"]:
    return "auto" if text == "auto" else tuple(name.strip() for name in text.split(","))
