"""Networks by name."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from torchlgg.core import InputError
from torchlgg.nets import (
    ParsevalConv2d,
    PreActResNet,
    PreActWideResNet,
    SmallCNN,
    WideResNet,
    build_net,
    net_names,
)


@pytest.mark.parametrize(
    ("name", "kind", "features"),
    [
        ("wrn10-1", WideResNet, 64),
        ("wrn16-0.5", WideResNet, 32),
        ("wrn10-2", WideResNet, 128),
        ("preact_wrn10-1", PreActWideResNet, 64),
        ("preact_wrn16-0.5", PreActWideResNet, 32),
        ("preactresnet18", PreActResNet, 512),
        ("small_cnn", SmallCNN, 64),
        ("small_cnn-3", SmallCNN, 12),
    ],
)
def test_name_says_depth_and_width(name, kind, features):
    net = build_net(name, num_classes=7, in_channels=2)
    assert type(net) is kind
    assert net.linear.weight.shape == (7, features)
    assert next(net.parameters()).shape[1] == 2
    assert not any(isinstance(m, ParsevalConv2d) for m in net.modules())
    if kind in (WideResNet, PreActWideResNet):
        depth = int(name.partition("wrn")[2][:2])
        assert len(net.layer1) == (depth - 4) // 6


@pytest.mark.parametrize("name", ["wrn10-1", "preact_wrn10-2", "preactresnet18", "small_cnn-3"])
def test_parseval_reaches_every_convolution(name):
    net = build_net(name, num_classes=7, parseval=True)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions
    assert all(isinstance(m, ParsevalConv2d) for m in convolutions)


def test_every_form_of_name_builds():
    fillings = {
        "<width>": "2",
        "<depth>": "10",
        "<model>": "resnet18",
        "<package.module>": "tests.nets.factories",
        "<function>": "both",
    }
    filled = list(net_names())
    for blank, filling in fillings.items():
        filled = [name.replace(blank, filling) for name in filled]
    assert len(set(filled)) == len(filled)
    for name in filled:
        if ":" in name:
            pytest.importorskip(name.partition(":")[0])
        assert build_net(name, num_classes=3).eval()(torch.ones(1, 3, 32, 32)).shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("wrn28", "build_net: `name` is not a known network: 'wrn28'; did you mean 'wrn28-1'"),
        ("resnet18", "did you mean 'timm:resnet18' or 'preactresnet18' or 'torchvision:"),
        ("WRN28-1", "did you mean 'wrn28-1'"),
        ("small-cnn", "did you mean 'small_cnn'"),
        ("wrn28-", "did you mean 'wrn28-1'"),
        ("wrn28-1.", "did you mean 'wrn28-1'"),
        ("", "not a known network: ''; known: 'preactresnet18', "),
        ("hf-hub:timm/resnet18", "not a known network: 'hf-hub:timm/resnet18'"),
        (":resnet18", "not a known network: ':resnet18'"),
        ("torchvison:resnet18", "which cannot be found; did you mean 'torchvision'?"),
        ("wrn30-1", "`depth` must be 6n + 4"),
        ("wrn28-0", "`width` must be at least 1/16"),
        ("small_cnn-0", "`width` must be a whole number from 1 up, got 0"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name, sentence):
    with pytest.raises(InputError) as error:
        build_net(name, num_classes=10)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["wrn10-1", "torchvision:resnet18"])
def test_counts_are_checked_before_anything_is_built(name):
    with pytest.raises(InputError, match=r"build_net: `num_classes` must be a whole number"):
        build_net(name, num_classes=0)
    with pytest.raises(InputError, match=r"build_net: `in_channels` must be a whole number"):
        build_net(name, num_classes=2, in_channels=-1)


@pytest.mark.parametrize(
    "name", ["torchvision:resnet18", "timm:resnet18", "tests.nets.factories:both"]
)
def test_parseval_of_another_package_is_refused(name):
    with pytest.raises(InputError, match=r"`parseval` needs one of the networks of torchlgg"):
        build_net(name, num_classes=10, parseval=True)


@pytest.mark.parametrize("package", ["torchvision", "timm"])
@pytest.mark.parametrize("fault", ["absent", "built for another torch"])
def test_missing_package_says_how_to_install_it(package, fault, monkeypatch):
    if fault == "absent":
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.setitem(sys.modules, "torchvision.models", None)
    else:
        import importlib

        def fail(_module):
            raise RuntimeError("operator torchvision::nms does not exist")

        monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(InputError) as error:
        build_net(f"{package}:resnet18", num_classes=10)
    assert f"a network of {package}, which cannot be imported" in str(error.value)
    assert "pip install torchvision timm" in str(error.value)


class TestTorchvision:
    """Networks of torchvision; skipped where it is not installed."""

    @pytest.fixture(autouse=True)
    def _needs_torchvision(self):
        pytest.importorskip("torchvision")

    @pytest.mark.parametrize("model", ["resnet18", "mobilenet_v3_small", "googlenet"])
    def test_logits_in_training_are_a_tensor(self, model):
        net = build_net(f"torchvision:{model}", num_classes=5)
        assert net(torch.randn(2, 3, 64, 64)).shape == (2, 5)

    def test_weights_are_fresh_and_follow_the_seed(self, monkeypatch):
        def download(*_args, **_kwargs):
            raise AssertionError("a download was tried")

        monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
        weights = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            weights.append(build_net("torchvision:resnet18", num_classes=5).conv1.weight)
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])

    def test_unknown_and_unfit_networks(self):
        with pytest.raises(InputError, match=r"of torchvision: 'resnet19'; did you mean 'resnet"):
            build_net("torchvision:resnet19", num_classes=10)
        with pytest.raises(InputError, match=r"not a classification network of torchvision"):
            build_net("torchvision:fasterrcnn_resnet50_fpn", num_classes=10)
        with pytest.raises(InputError, match=r"must be 3 for 'torchvision:resnet18', got 1"):
            build_net("torchvision:resnet18", num_classes=10, in_channels=1)


class TestTimm:
    """Networks of timm; skipped where it is not installed."""

    @pytest.fixture(autouse=True)
    def _needs_timm(self):
        pytest.importorskip("timm")

    def test_transformer_with_other_channels(self):
        net = build_net("timm:vit_tiny_patch16_224", num_classes=5, in_channels=1)
        assert net(torch.randn(1, 1, 224, 224)).shape == (1, 5)

    @pytest.mark.parametrize(
        "model", ["resnet1", "resnet18.a1_in1k", "hf-hub:timm/resnet18", "local-dir:x", ""]
    )
    def test_only_names_of_architectures_are_read(self, model):
        with pytest.raises(InputError, match=r"`name` is not a network of timm: '"):
            build_net(f"timm:{model}", num_classes=10)
