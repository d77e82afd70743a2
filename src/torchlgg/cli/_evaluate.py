"""``lgg evaluate``: from words to a measured classifier."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from torchlgg.cli._screen import (
    check_out,
    command_line,
    console,
    progress_bar,
    recorded,
)
from torchlgg.core import InputError
from torchlgg.data import ImageFiles, ImageSet, open_images
from torchlgg.evaluation import embed, evaluate, evaluate_embeddings
from torchlgg.nets import SavedNet
from torchlgg.recipes import gpu_names
from torchlgg.records import Result, RunFolder
from torchlgg.training import choose_device, load_net, predict

Images = ImageFiles | ImageSet


def run_evaluate(
    *,
    weights: Path,
    data: str,
    net: str | None,
    teacher_weights: Path | None,
    teacher_net: str | None,
    embeddings: str | None,
    limit: int | None,
    image_size: int | None,
    out: Path | None,
    overwrite: bool,
    device: str,
) -> None:
    """Load, measure, print, and keep a record where one was asked for."""
    place = choose_device(device)
    if out is not None:
        check_out(out, overwrite=overwrite, reads=[weights, data, teacher_weights])
    saved = SavedNet.read(weights)
    if image_size is None and saved is not None and saved.image_size is not None:
        height, width = saved.image_size
        image_size = height if height == width else None
    classifies = saved is None or not saved.is_embedding
    if not classifies and teacher_weights is not None:
        raise InputError(
            f"the output of the network in {str(weights)!r} is an embedding, which does not agree "
            "or disagree with a teacher; leave `--teacher-weights` out"
        )
    if embeddings is None and classifies:
        train, images = None, _test_images(data, image_size=image_size, saved=saved)
    else:
        train, images = _all_images(data, limit=limit, image_size=image_size, saved=saved)
    model = load_net(net, weights, images)[0].to(place)
    teacher = None
    if teacher_weights is not None:
        teacher = load_net(teacher_net, teacher_weights, images)[0].to(place)
    run = None
    if out is not None:
        run = RunFolder.create(
            out,
            command=command_line(),
            config={
                "weights": weights,
                "data": data,
                "net": net,
                "teacher": teacher_weights,
                "embeddings": embeddings,
                "limit": limit,
            },
            gpus=gpu_names(place),
            overwrite=overwrite,
        )
    results = []
    if classifies:
        with progress_bar("test images") as progress:
            results.append(
                evaluate(model, images, subject=weights.name, teacher=teacher, progress=progress)
            )
    elif train is not None:
        results.append(_by_embeddings(model, train, images, tap=None, subject=weights.name))
    if train is not None and embeddings is not None:
        results.append(_by_embeddings(model, train, images, tap=embeddings, subject=weights.name))
    if run is not None:
        with recorded(run):
            for result in results:
                run.write_result(result)
    for result in results:
        for measurement in result.measurements:
            console.print(str(measurement))


def _by_embeddings(
    model: nn.Module,
    train: Images,
    test: Images,
    *,
    tap: str | None,
    subject: str,
) -> Result:
    """What a layer is worth as an embedding, or without one the output of the network."""

    def rows(images: Images) -> Tensor:
        with progress_bar("embeddings") as progress:
            if tap is None:
                return predict(model, images, progress=progress)
            return embed(model, images, tap=tap, progress=progress)

    train_ND, test_MD = rows(train), rows(test)
    console.print(f"{len(test)} test images by their neighbours among {len(train)} training images")
    return evaluate_embeddings(
        train_ND,
        train.labels,
        test_MD,
        test.labels,
        subject=subject if tap is None else f"{subject}, layer {tap}",
        source=f"{train.source}; {test.source}",
    )


def _all_images(
    data: str, *, limit: int | None, image_size: int | None, saved: SavedNet | None
) -> tuple[Images, Images]:
    """Training and test images, normalised as in training."""
    mean, std = (None, None) if saved is None else (saved.mean, saved.std)
    with progress_bar("reading images") as progress:
        return open_images(
            data,
            limit=limit,
            image_size=image_size,
            mean=mean,
            std=std,
            in_memory=True,
            progress=progress,
        )


def _test_images(data: str, *, image_size: int | None, saved: SavedNet | None) -> Images:
    """The test images, normalised as in training.

    The training images are read only where nothing else says how they were normalised: neither the
    file of weights nor published constants of a known data set.
    """
    test = _all_images(data, limit=1, image_size=image_size, saved=saved)[1]
    if saved is not None or test.statistics == "published":
        return test
    return _all_images(data, limit=None, image_size=image_size, saved=None)[1]
