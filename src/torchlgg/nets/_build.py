"""Networks by name: the ones of this folder, those of torchvision and timm, and one's own."""

from __future__ import annotations

import re

from torch import nn

from torchlgg.core import InputError, did_you_mean
from torchlgg.nets._external import build_timm, build_torchvision
from torchlgg.nets._factory import build_own, is_factory
from torchlgg.nets._layers import check_count
from torchlgg.nets._preact_resnet import PreActResNet
from torchlgg.nets._preact_wide_resnet import PreActWideResNet
from torchlgg.nets._small_cnn import SmallCNN
from torchlgg.nets._wide_resnet import WideResNet

_WIDE_RESNET = re.compile(r"(preact_)?wrn(\d{1,4})-(\d{1,4}(?:\.\d{1,4})?)")
_SMALL_CNN = re.compile(r"small_cnn(?:-(\d{1,4}))?")
_EXAMPLES = (
    "preactresnet18",
    "preact_wrn28-10",
    "small_cnn",
    "small_cnn-6",
    "wrn28-0.5",
    "wrn28-1",
    "torchvision:resnet18",
    "timm:resnet18",
)


def net_names() -> tuple[str, ...]:
    """The forms of name that :func:`build_net` reads, for help texts.

    Returns:
        One entry a family; what stands in angle brackets is for the caller to fill in.

    Example:
        >>> for name in net_names():
        ...     print(name)
        preactresnet18
        small_cnn
        small_cnn-<width>
        wrn<depth>-<width>
        preact_wrn<depth>-<width>
        torchvision:<model>
        timm:<model>
        <package.module>:<function>
    """
    return (
        "preactresnet18",
        "small_cnn",
        "small_cnn-<width>",
        "wrn<depth>-<width>",
        "preact_wrn<depth>-<width>",
        "torchvision:<model>",
        "timm:<model>",
        "<package.module>:<function>",
    )


def build_net(
    name: str, *, num_classes: int, in_channels: int = 3, parseval: bool = False
) -> nn.Module:
    """A new network, named as in the papers, with fresh weights.

    Nothing is ever downloaded; :func:`load_weights` fills a network from a file. The weights
    come from PyTorch's global random generator, so ``torch.manual_seed`` fixes them.

    Args:
        name: one of

            - ``"wrn<depth>-<width>"``, such as ``"wrn28-1"`` or ``"wrn28-0.5"``:
              :class:`WideResNet`;
            - ``"preact_wrn<depth>-<width>"``, such as ``"preact_wrn28-10"``:
              :class:`PreActWideResNet`;
            - ``"preactresnet18"``: :class:`PreActResNet`;
            - ``"small_cnn"`` or ``"small_cnn-<width>"``: :class:`SmallCNN`;
            - ``"torchvision:<model>"``: a classification network of torchvision, which takes
              images of three channels, without the auxiliary heads that some have in training;
            - ``"timm:<model>"``: a network of timm, by its name without a weights tag. Many of
              its transformers take images of one size only, stated in the name;
            - ``"<package.module>:<function>"``: whatever a function or class of one's own builds.
              It gets ``num_classes=`` and ``in_channels=`` where it takes arguments of these
              names, and returns an ``nn.Module``. Its module is imported, from the current
              directory too, which stays first on ``sys.path`` from then on.
        num_classes: length of the output: the number of classes, or the dimension of an
            embedding.
        in_channels: channels of the images.
        parseval: the Parseval variant; for the networks of this package only.

    Returns:
        The network, in training mode, on the default device.

    Raises:
        InputError: an unknown name (the nearest are listed), a depth or width that cannot be
            built, a count below 1, torchvision or timm not installed, a torchvision network for
            other than three channels, `parseval` for a network of another package, or a function
            of one's own that is not there, fails, or returns no network.

    Example:
        >>> net = build_net("wrn28-0.5", num_classes=10)
        >>> sum(p.numel() for p in net.parameters())
        94154
        >>> build_net("wrn28", num_classes=10)
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: build_net: `name` is not a known network: 'wrn28'; did you mean 'wrn28-1' or 'wrn28-0.5' or 'preact_wrn28-10'?
    """  # noqa: E501
    check_count(num_classes, name="num_classes", where="build_net")
    check_count(in_channels, name="in_channels", where="build_net")
    package, colon, model = name.partition(":")
    known_package = colon and package in ("torchvision", "timm")
    if parseval and (known_package or is_factory(name)):
        raise InputError(
            f"build_net: `parseval` needs one of the networks of torchlgg, got {name!r}; "
            "choose 'wrn<depth>-<width>', 'preactresnet18' or 'small_cnn'"
        )
    if known_package:
        build = build_torchvision if package == "torchvision" else build_timm
        return build(model, num_classes=num_classes, in_channels=in_channels)
    if is_factory(name):
        return build_own(name, num_classes=num_classes, in_channels=in_channels)
    if name == "preactresnet18":
        return PreActResNet(num_classes=num_classes, in_channels=in_channels, parseval=parseval)
    if match := _SMALL_CNN.fullmatch(name):
        return SmallCNN(
            num_classes=num_classes,
            in_channels=in_channels,
            width=int(match[1] or 16),
            parseval=parseval,
        )
    if match := _WIDE_RESNET.fullmatch(name):
        kind = PreActWideResNet if match[1] else WideResNet
        return kind(
            int(match[2]),
            float(match[3]),
            num_classes=num_classes,
            in_channels=in_channels,
            parseval=parseval,
        )
    raise InputError(
        f"build_net: `name` is not a known network: {name!r}{did_you_mean(name, _EXAMPLES)}"
    )
