"""What ``layers="auto"`` chooses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.activations.models import images
from torchlgg.activations import capture
from torchlgg.core import InputError


def torchvision_model(name: str, **options: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchvision.models import get_model

        return get_model(name, weights=None, **options)

    return build


def timm_model(name: str, **options: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import timm

        return timm.create_model(name, pretrained=False, **options)

    return build


MODELS = {
    "torchvision resnet18": (
        torchvision_model("resnet18"),
        ["layer1", "layer2", "layer3", "layer4"],
    ),
    "torchvision mobilenet_v3_small": (
        torchvision_model("mobilenet_v3_small"),
        ["features.0", "features.1", "features.3", "features.8", "features.12"],
    ),
    "torchvision vgg11": (
        torchvision_model("vgg11"),
        ["features.1", "features.4", "features.9", "features.14", "features.19"],
    ),
    "torchvision densenet121": (
        torchvision_model("densenet121"),
        [*(f"features.denseblock{stage}" for stage in (1, 2, 3)), "features.norm5"],
    ),
    "torchvision vit_b_16": (
        torchvision_model("vit_b_16", image_size=64),
        [f"encoder.layers.encoder_layer_{block}" for block in range(12)],
    ),
    "torchvision convnext_tiny": (
        torchvision_model("convnext_tiny"),
        ["features.1", "features.3", "features.5", "features.7"],
    ),
    "torchvision swin_t": (
        torchvision_model("swin_t"),
        ["features.0", "features.1", "features.3", "features.5", "features.7"],
    ),
    "timm resnet18": (timm_model("resnet18"), ["layer1", "layer2", "layer3", "layer4"]),
    "timm vit_tiny_patch16_224": (
        timm_model("vit_tiny_patch16_224", img_size=64),
        [f"blocks.{block}" for block in range(12)],
    ),
    "timm mobilenetv3_small_100": (
        timm_model("mobilenetv3_small_100"),
        ["blocks.0", "blocks.1", "blocks.3", "blocks.5"],
    ),
    "timm regnetx_002": (
        timm_model("regnetx_002"),
        ["stem", "s1", "s2", "s3", "final_conv"],
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_stages_of_known_networks(name: str) -> None:
    build, expected = MODELS[name]
    model = build().eval()
    with torch.no_grad(), capture(model, "auto", pool="mean") as taps:
        model(images(1, 64))
    assert list(taps) == expected


def conv(width_in: int, width_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width_in, width_out, 3, stride, padding=1)


PLAIN = {
    "pooling between": (
        lambda: nn.Sequential(
            *(conv(3, 4), nn.ReLU(), nn.MaxPool2d(2)),
            *(conv(4, 8), nn.ReLU(), conv(8, 8), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(32, 5)),
        ),
        ["1", "6"],
    ),
    "strides": (
        lambda: nn.Sequential(
            *(conv(3, 4), nn.ReLU(), conv(4, 4, 2), nn.ReLU()),
            *(conv(4, 8, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
        ),
        ["1", "3", "5"],
    ),
    "no strides": (
        lambda: nn.Sequential(
            *(conv(3, 4), nn.BatchNorm2d(4), nn.ReLU(), conv(4, 4), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)),
        ),
        ["2", "4"],
    ),
    "linear layers": (
        lambda: nn.Sequential(
            *(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU()),
            nn.Linear(8, 5),
        ),
        ["2", "4"],
    ),
    "one hidden layer": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 5)),
        ["2"],
    ),
    "inside one child": (
        lambda: nn.Sequential(
            OrderedDict(
                flat=nn.Flatten(),
                net=nn.Sequential(nn.Linear(192, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh()),
                head=nn.Linear(8, 5),
            )
        ),
        ["net.1", "net.3"],
    ),
    "many blocks": (
        lambda: nn.Sequential(
            *(nn.Flatten(), nn.Linear(192, 4)),
            *(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(30)),
        ),
        [str(place + 1) for place in (3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30)],
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_stages_of_plain_networks(name: str) -> None:
    build, expected = PLAIN[name]
    model = build()
    with capture(model, "auto") as taps:
        model(images(2, 8))
    assert list(taps) == expected


def test_lists_of_modules_are_read_through() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(3, 3), nn.ReLU()) for _ in range(3))
            self.head = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    model = Listed()
    with capture(model, "auto") as taps:
        model(torch.randn(2, 3))
    assert list(taps) == ["blocks.0", "blocks.1", "blocks.2"]


def test_twin_heads_are_not_the_stages() -> None:
    class Body(nn.Sequential):
        pass

    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Body(*(nn.Sequential(nn.Linear(3, 3), nn.ReLU()) for _ in range(4)))
            self.head_a = nn.Sequential(nn.Linear(3, 2))
            self.head_b = nn.Sequential(nn.Linear(3, 2))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            x = self.body(x)
            return self.head_a(x), self.head_b(x)

    model = TwoHeads()
    with capture(model, "auto") as taps:
        model(torch.randn(2, 3))
    assert list(taps) == ["body.0", "body.1", "body.2", "body.3"]


def test_a_model_may_name_its_taps() -> None:
    class Named(nn.Sequential):
        auto_taps = ("2", "1")

    model = Named(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    for net in (model, nn.DataParallel(model)):
        with capture(net, "auto") as taps:
            net(torch.randn(2, 3))
        assert list(taps) == ["1", "2"]


def test_a_tap_that_the_model_names_must_run() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    model[0].idle = nn.Linear(3, 3)
    model.auto_taps = ["1", "0.idle"]
    with pytest.raises(InputError, match=r"'0.idle', which did not run"), capture(model, "auto"):
        model(torch.randn(2, 3))


def test_a_model_without_inner_layers_is_an_error() -> None:
    with pytest.raises(InputError, match=r"`layers`='auto' finds no inner layers in Linear"):
        capture(nn.Linear(3, 2), "auto").__enter__()
