"""Networks of torchvision and timm, with fresh weights; both packages are optional."""

from __future__ import annotations

import importlib
from types import ModuleType

from torch import nn

from torchlgg.core import InputError, did_you_mean

# In training these two return their auxiliary heads beside the logits, and they warn unless
# told how to initialise.
_TORCHVISION_WITH_HEADS = ("googlenet", "inception_v3")


def build_torchvision(model: str, *, num_classes: int, in_channels: int) -> nn.Module:
    """A classification network of torchvision, without its pretrained weights.

    Args:
        model: torchvision's name, such as ``"resnet18"``.
        num_classes: length of the output.
        in_channels: must be 3: torchvision's networks know no other.

    Returns:
        The network; its output is a plain tensor of logits, in training too.

    Raises:
        InputError: torchvision cannot be imported, an unknown name, another `in_channels`.

    Example:
        >>> build_torchvision("resnet18", num_classes=10, in_channels=3).fc.out_features
        10
    """
    models = _import_optional("torchvision", "torchvision.models")
    known = models.list_models(module=models)
    if model not in known:
        raise InputError(
            "build_net: `name` is not a classification network of torchvision: "
            f"{model!r}{did_you_mean(model, known)}"
        )
    if in_channels != 3:
        raise InputError(
            f"build_net: `in_channels` must be 3 for 'torchvision:{model}', got {in_channels}; "
            "timm's networks and torchlgg's own take any number"
        )
    built: nn.Module
    if model in _TORCHVISION_WITH_HEADS:
        built = models.get_model(
            model, weights=None, num_classes=num_classes, aux_logits=False, init_weights=True
        )
    else:
        built = models.get_model(model, weights=None, num_classes=num_classes)
    return built


def build_timm(model: str, *, num_classes: int, in_channels: int) -> nn.Module:
    """A network of timm, without its pretrained weights.

    Args:
        model: timm's name of the architecture, such as ``"vit_tiny_patch16_224"``; names that
            lead to a hub or a folder are not read.
        num_classes: length of the output.
        in_channels: channels of the images.

    Returns:
        The network.

    Raises:
        InputError: timm cannot be imported, or an unknown name.

    Example:
        >>> build_timm("resnet18", num_classes=10, in_channels=1).conv1.in_channels
        1
    """
    timm = _import_optional("timm", "timm")
    known = timm.list_models()
    if model not in known:
        raise InputError(
            f"build_net: `name` is not a network of timm: {model!r}{did_you_mean(model, known)}"
        )
    built: nn.Module = timm.create_model(
        model, pretrained=False, num_classes=num_classes, in_chans=in_channels
    )
    return built


def _import_optional(package: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
        raise InputError(
            f"build_net: `name` asks for a network of {package}, which cannot be imported "
            f"({error}); pip install torchvision timm"
        ) from error
