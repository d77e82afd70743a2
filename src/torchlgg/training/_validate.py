"""What a network is worth after an epoch. Shapes: N images, D features, C classes."""

from __future__ import annotations

import torch
from torch import nn

from torchlgg.activations import capture
from torchlgg.data import ImageSource
from torchlgg.graphs import GraphSpec, latent_geometry_graph
from torchlgg.metrics import error_rate, nearest_neighbors
from torchlgg.signals import label_indicators, smoothness
from torchlgg.training._pairing import TapNames
from torchlgg.training._predict import device_of, first_images, in_eval_mode, predict
from torchlgg.training._task import Task

_REFERENCES = 2000
_WATCHED = 256


def validation_error(
    net: nn.Module, task: Task, train: ImageSource, validation: ImageSource
) -> float:
    """The fraction of the validation images that are wrong.

    Args:
        net: the network; it is run in eval mode.
        task: a classifier's prediction is its largest logit; an embedding's is the majority of its
            10 nearest neighbours (fewer, if there are fewer) among the first 2,000 training images.
        train: the training images.
        validation: the images to predict.

    Returns:
        From 0 to 1.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import Embed, validation_error
        >>> digits = open_images("digits")
        >>> net = build_net("small_cnn-4", num_classes=16, in_channels=1)
        >>> validation_error(net, Embed(), digits.train, digits.test) < 0.9
        True
    """
    labels_N = validation.labels.to(device_of(net))
    if not task.embeds:
        return error_rate(predict(net, validation), labels_N)
    count = min(len(train), _REFERENCES)
    references = train.subset(torch.arange(count))
    found_N = nearest_neighbors(
        predict(net, references),
        references.labels.to(labels_N.device),
        predict(net, validation),
        k=min(10, count),
    )
    return float((found_N != labels_N).double().mean())


def label_smoothness(net: nn.Module, taps: TapNames, images: ImageSource) -> dict[str, float]:
    """How smooth the labels are on the graph of each tap: tr(Yᵀ L Y) / N.

    L is the symmetrically normalised Laplacian of the complete cosine graph of the first 256
    images, and Y holds their class indicators. 0 is one class for each component of the graph;
    for C classes of one size and a graph that does not know them it is about 1 − 1/C.

    Args:
        net: the network; it is run in eval mode.
        taps: its layers.
        images: labelled images.

    Returns:
        One number a tap, by name, in order of execution.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import label_smoothness
        >>> net = build_net("small_cnn-4", num_classes=10, in_channels=1)
        >>> list(label_smoothness(net, "auto", open_images("digits").test))
        ['stage1', 'stage2', 'pool']
    """
    pixels, labels_N = first_images(images, _WATCHED, device_of(net))
    spec = GraphSpec(normalization=None)
    with torch.no_grad(), in_eval_mode(net), capture(net, taps) as captured:
        net(pixels)
    y_NC = label_indicators(labels_N)
    return {
        name: float(smoothness(latent_geometry_graph(tap, spec), y_NC, normalization="symmetric"))
        / len(labels_N)
        for name, tap in captured.items()
    }
