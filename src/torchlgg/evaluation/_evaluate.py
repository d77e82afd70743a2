"""What a classifier is worth on images, and how near it is to its teacher.

Shapes: N images, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from torchlgg.activations import capture
from torchlgg.data import ImageSource
from torchlgg.evaluation._share import share
from torchlgg.graphs import GraphSpec, latent_geometry_graph
from torchlgg.metrics import agreement, error_rate, graph_distance, proportion_interval
from torchlgg.records import DataDescription, Measurement, Result
from torchlgg.training import (
    Pairing,
    TapNames,
    View,
    device_of,
    first_images,
    in_eval_mode,
    paired,
    predict,
)

_GRAPH_IMAGES = 1000
_GRAPH_PIXELS = 1000 * 32 * 32


def evaluate(
    net: nn.Module,
    images: ImageSource,
    *,
    subject: str,
    logits: Tensor | None = None,
    teacher: nn.Module | None = None,
    teacher_logits: Tensor | None = None,
    student_taps: TapNames = "auto",
    teacher_taps: TapNames = "auto",
    pair_taps: Pairing = "order",
    tags: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Measure a classifier, and where there is a teacher, how near it is to it.

    Args:
        net: the classifier, in any mode; it is run in eval mode.
        images: what to measure it on.
        subject: what the result is of, in words.
        logits: (N, C), what :func:`~torchlgg.training.predict` gave for ``net`` on ``images``, if
            it is at hand; else it is run.
        teacher: a classifier over the same classes.
        teacher_logits: the same of ``teacher``.
        student_taps: the layers of ``net`` whose graphs are compared with the teacher's.
        teacher_taps: the teacher's.
        pair_taps: how the two are paired; see :class:`~torchlgg.training.Distill`.
        tags: for the result.
        progress: told (done, total) images of ``net``.

    Returns:
        A result with these measurements, in percent with Wilson's 95 % interval where it is a
        share of images:

        - ``error``: images whose class is not the predicted one;
        - with a teacher ``agreement``, ``agreement, teacher right`` and ``agreement, teacher
          wrong``: images of which both predict the same class, of all, and of those that the
          teacher gets right or wrong (left out where there are none);
        - with a teacher ``graph distance NAME`` for every tap, 0 to 1: the
          :func:`~torchlgg.metrics.graph_distance` between the complete, symmetrically normalised
          cosine graphs of the first 1,000 images (or all, if fewer; of images larger than
          32 x 32 as many as have the same number of pixels, but at least 100).

    Raises:
        InputError: taps that do not pair, NaN in the logits, or classes that differ.

    Example:
        >>> import torch
        >>> from torchlgg.data import open_images
        >>> from torchlgg.evaluation import evaluate
        >>> from torchlgg.nets import build_net
        >>> _ = torch.manual_seed(0)
        >>> net = build_net("small_cnn-4", num_classes=10, in_channels=1)
        >>> digits = open_images("digits").test
        >>> result = evaluate(net, digits, subject="untrained", teacher=net)
        >>> [m.value for m in result.measurements if m.name == "agreement"]
        [100.0]
    """
    labels_N = images.labels.to(device_of(net))
    logits_NC = predict(net, images, progress=progress) if logits is None else logits
    count = len(images)
    wrong = round(error_rate(logits_NC, labels_N) * count)
    measurements = [
        share("error", proportion_interval(wrong, count), protocol="Test images, top-1.")
    ]
    if teacher is not None:
        teacher_NC = predict(teacher, images) if teacher_logits is None else teacher_logits
        measurements += _agreements(logits_NC, teacher_NC, labels_N)
        measurements += _distances(net, teacher, images, (student_taps, teacher_taps), pair_taps)
    return Result(
        task="evaluate",
        subject=subject,
        data=DataDescription(
            source=images.source, sha256=images.content_hash(), counts={"test": count}
        ),
        measurements=tuple(measurements),
        tags=dict(tags or {}),
    )


def _agreements(student_NC: Tensor, teacher_NC: Tensor, labels_N: Tensor) -> list[Measurement]:
    found = agreement(student_NC, teacher_NC, labels_N)
    protocol = "Test images on which student and teacher predict the same class."
    shares = (
        ("agreement", found.overall, found.count),
        ("agreement, teacher right", found.teacher_right, found.count_teacher_right),
        ("agreement, teacher wrong", found.teacher_wrong, found.count_teacher_wrong),
    )
    return [
        share(name, proportion_interval(round(fraction * count), count), protocol=protocol)
        for name, fraction, count in shares
        if fraction is not None
    ]


@torch.no_grad()
def _distances(
    student: nn.Module,
    teacher: nn.Module,
    images: ImageSource,
    layers: tuple[TapNames, TapNames],
    pairing: Pairing,
) -> list[Measurement]:
    count = min(_GRAPH_IMAGES, max(100, _GRAPH_PIXELS // math.prod(images.shape[1:])))
    pixels, _ = first_images(images, count, device_of(student))
    views = []
    for net, names in zip((student, teacher), layers, strict=True):
        with in_eval_mode(net), capture(net, names) as taps:
            logits_NC = net(pixels.to(device_of(net)))
        views.append(View(logits_NC, dict(taps)))
    ours, theirs = paired(views[0], views[1], pairing)
    spec = GraphSpec.graph_kd()
    return [
        Measurement(
            name=f"graph distance {name}",
            value=graph_distance(
                latent_geometry_graph(tap, spec), latent_geometry_graph(partner, spec)
            ),
            count=len(pixels),
            protocol="Complete normalised cosine graphs of the first test images, relative "
            "Frobenius distance.",
        )
        for (name, tap), partner in zip(ours.taps.items(), theirs.taps.values(), strict=True)
    ]
