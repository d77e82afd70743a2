"""``lgg evaluate``: from words to a measured classifier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torchlgg.cli._screen import (
    choose_device,
    command_line,
    console,
    device_names,
    progress_bar,
    recorded,
)
from torchlgg.data import ImageSet, open_images
from torchlgg.evaluation import evaluate
from torchlgg.records import RunFolder
from torchlgg.training import SavedNet, load_net


def run_evaluate(
    *,
    weights: Path,
    data: str,
    net: str | None,
    teacher_weights: Path | None,
    teacher_net: str | None,
    image_size: int | None,
    out: Path | None,
    overwrite: bool,
    device: str,
) -> None:
    """Load, measure, print, and keep a record where one was asked for."""
    place = choose_device(device)
    if out is not None:
        RunFolder.check(out, overwrite=overwrite)
    saved = SavedNet.read(weights)
    images = _test_images(data, image_size=image_size, saved=saved)
    model = load_net(net, weights, images)[0].to(place)
    teacher = None
    if teacher_weights is not None:
        teacher = load_net(teacher_net, teacher_weights, images)[0].to(place)
    run = None
    if out is not None:
        run = RunFolder.create(
            out,
            command=command_line(),
            config={"weights": weights, "data": data, "net": net, "teacher": teacher_weights},
            gpus=device_names(place),
            overwrite=overwrite,
        )
    with progress_bar("test images") as progress:
        result = evaluate(
            model, images, subject=str(weights.name), teacher=teacher, progress=progress
        )
    if run is not None:
        with recorded(run):
            run.write_result(result)
    for measurement in result.measurements:
        console.print(str(measurement))


def _test_images(data: str, *, image_size: int | None, saved: SavedNet | None) -> ImageSet:
    """The test images, normalised as in training.

    The training images are read only where nothing else says how they were normalised: neither the
    file of weights nor published constants of a known data set.
    """
    with progress_bar("reading images") as progress:
        test = open_images(data, limit=1, image_size=image_size, progress=progress).test
        if saved is not None:
            return replace(test, mean=saved.mean, std=saved.std, statistics="given")
        if test.statistics == "published":
            return test
        return open_images(data, image_size=image_size, progress=progress).test
