"""Rows of length one: the numbers, the taps, the files, and what asks for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from torchlgg.activations import capture
from torchlgg.core import InputError
from torchlgg.data import open_images
from torchlgg.nets import (
    NetConfig,
    SavedNet,
    SmallCNN,
    UnitLength,
    build_net,
    load_weights,
    open_net,
    save_weights,
)
from torchlgg.training import load_net


def small(seed: int = 0) -> SmallCNN:
    torch.manual_seed(seed)
    return SmallCNN(num_classes=5, in_channels=1, width=3)


def test_rows_are_divided_by_their_length() -> None:
    net, images = small().double(), torch.randn(7, 1, 8, 8, dtype=torch.float64)
    rows = net(images)
    expected = rows / (rows**2).sum(1, keepdim=True).sqrt()
    torch.testing.assert_close(UnitLength(net)(images), expected)
    assert torch.autograd.gradcheck(
        UnitLength(nn.Identity()), torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    )


def test_a_zero_row_stays_zero_with_zero_gradient() -> None:
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    unit = UnitLength(nn.Identity())(rows)
    assert unit.tolist() == [[0.0, 0.0], [pytest.approx(0.6), pytest.approx(0.8)]]
    unit[:, 0].sum().backward()
    assert rows.grad is not None
    assert rows.grad[0].tolist() == [0.0, 0.0]
    assert rows.grad[1].abs().sum() > 0


def test_half_precision_does_not_overflow() -> None:
    rows = UnitLength(nn.Identity())(torch.tensor([[300.0, 400.0]], dtype=torch.float16))
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows, torch.tensor([[0.6, 0.8]]))


def test_a_network_of_several_outputs_is_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    with pytest.raises(InputError, match=r"UnitLength: `net` must return one tensor, .*got tuple"):
        UnitLength(Two())(torch.ones(1, 2))


@pytest.mark.parametrize("layers", ["auto", "relu"])
def test_taps_are_those_of_the_network(layers: str) -> None:
    net, images = small().eval(), torch.randn(2, 1, 8, 8)
    with capture(net, layers) as inner:
        net(images)
    unit = UnitLength(net)
    with capture(unit, layers) as outer:
        unit(images)
    assert list(outer) == [f"module.{name}" for name in inner]
    for name, tap in inner.items():
        assert torch.equal(outer[f"module.{name}"], tap)


def test_a_network_that_names_no_taps_has_them_found() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    unit = UnitLength(net)
    assert not hasattr(unit, "auto_taps")
    assert not hasattr(unit, "relu_taps")
    for layers in ("auto", "relu"):
        with capture(net, layers) as inner:
            net(torch.ones(1, 1, 8, 8))
        with capture(unit, layers) as outer:
            unit(torch.ones(1, 1, 8, 8))
        assert list(outer) == [f"module.{name}" for name in inner]


def test_files_of_weights_are_those_of_the_network(tmp_path: Path) -> None:
    path, net = tmp_path / "net.safetensors", small()
    save_weights(UnitLength(net), path)
    assert load_file(path).keys() == net.state_dict().keys()
    for other in (small(1), UnitLength(small(1))):
        load_weights(other, path)
        inner = other.module if isinstance(other, UnitLength) else other
        assert torch.equal(inner.linear.weight, net.linear.weight)


def test_a_file_says_that_its_rows_have_length_one(tmp_path: Path) -> None:
    path, digits = tmp_path / "net.safetensors", open_images("digits").train
    config = NetConfig(name="small_cnn-3", embedding_dim=5, unit_length=True)
    net = config.build(num_classes=10, in_channels=1).eval()
    assert isinstance(net, UnitLength)
    saved = SavedNet.describe("small_cnn-3", digits, num_classes=5, unit_length=True)
    saved.write(net, path)
    assert SavedNet.read(path) == saved
    images = torch.rand(4, 1, 8, 8)
    again = NetConfig(weights=str(path), embedding_dim=5)
    assert again.is_unit_length
    for found in (
        open_net(path),
        load_net(None, path, digits)[0],
        again.build(num_classes=10, in_channels=1).eval(),
    ):
        assert isinstance(found, UnitLength)
        assert torch.equal(found(images), net(images))


def test_a_new_head_begins_without_it(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    digits = open_images("digits").train
    SavedNet.describe("small_cnn-3", digits, num_classes=5, unit_length=True).write(
        UnitLength(small()), path
    )
    config = NetConfig(weights=str(path), replace_head=True)
    net = config.build(num_classes=10, in_channels=1)
    assert type(net) is SmallCNN
    assert net.linear.out_features == 10
    asked = NetConfig(weights=str(path), replace_head=True, unit_length=True)
    assert isinstance(asked.build(num_classes=10, in_channels=1), UnitLength)


def test_older_files_say_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    words = {
        "net": "small_cnn-3", "num_classes": 5, "in_channels": 1, "class_names": list("abcde"),
        "mean": [0.3], "std": [0.4], "parseval": False,
    }  # fmt: skip
    save_weights(small(), path, {"torchlgg": json.dumps(words)})
    saved = SavedNet.read(path)
    assert saved is not None
    assert (saved.unit_length, saved.licence, saved.image_size) == (False, None, None)
    assert type(open_net(path)) is type(build_net("small_cnn-3", num_classes=5))


def test_images_of_other_channels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    digits = open_images("digits").train
    colour = SavedNet(
        net="small_cnn-3", num_classes=10, in_channels=3, class_names=digits.class_names,
        mean=(0.0,) * 3, std=(1.0,) * 3,
    )  # fmt: skip
    colour.write(build_net("small_cnn-3", num_classes=10), path)
    with pytest.raises(InputError, match=r"takes images of 3 channels, these have 1"):
        load_net(None, path, digits)
