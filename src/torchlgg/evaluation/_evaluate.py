"""What a classifier is worth on images, and how near it is to its teacher.

Shapes: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from torchlgg.activations import capture
from torchlgg.core import InputError
from torchlgg.data import ImageSet
from torchlgg.evaluation._share import share
from torchlgg.graphs import GraphSpec, latent_geometry_graph
from torchlgg.metrics import agreement, error_rate, graph_distance, proportion_interval
from torchlgg.records import DataDescription, Measurement, Result
from torchlgg.training import device_of, in_eval_mode, predict

Layers = tuple[str, ...] | Literal["auto"]

_GRAPH_IMAGES = 1000


def evaluate(
    net: nn.Module,
    images: ImageSet,
    *,
    subject: str,
    logits: Tensor | None = None,
    teacher: nn.Module | None = None,
    teacher_logits: Tensor | None = None,
    student_taps: Layers = "auto",
    teacher_taps: Layers = "auto",
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
        teacher_taps: the teacher's, as many, paired in order.
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
          cosine graphs of the first 1,000 images (or all, if fewer).

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
        measurements += _distances(net, teacher, images, student_taps, teacher_taps)
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
    images: ImageSet,
    student_taps: Layers,
    teacher_taps: Layers,
) -> list[Measurement]:
    pixels = images.images[:_GRAPH_IMAGES]
    graphs = []
    for net, layers in ((student, student_taps), (teacher, teacher_taps)):
        with in_eval_mode(net), capture(net, layers) as taps:
            net(images.normalize(pixels.to(device_of(net))))
        spec = GraphSpec.graph_kd()
        graphs.append({name: latent_geometry_graph(tap, spec) for name, tap in taps.items()})
    ours, theirs = graphs
    if len(ours) != len(theirs):
        raise InputError(
            f"student and teacher taps must pair in order, but the student has {len(ours)} "
            f"({', '.join(ours)}) and the teacher {len(theirs)} ({', '.join(theirs)})"
        )
    return [
        Measurement(
            name=f"graph distance {name}",
            value=graph_distance(ours[name], theirs[partner]),
            count=len(pixels),
            protocol="Complete normalised cosine graphs of the first test images, relative "
            "Frobenius distance.",
        )
        for name, partner in zip(ours, theirs, strict=True)
    ]
