"""Networks by configuration, fresh and from files of other widths."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from torchlgg.core import InputError
from torchlgg.nets import (
    NetConfig,
    ParsevalConv2d,
    SavedNet,
    build_net,
    load_weights,
    replaced_head,
    save_weights,
)

IMAGES = SimpleNamespace(class_names=("a", "b", "c"), shape=(3, 8, 8), mean=(0.5,), std=(0.5,))


def file_of(path, name, *, num_classes=10, seed=0):
    torch.manual_seed(seed)
    net = build_net(name, num_classes=num_classes)
    save_weights(net, path)
    return net


def equal_but(one, other, keys):
    """Whether two networks have the same weights in all keys but these."""
    mine, theirs = one.state_dict(), other.state_dict()
    return {key for key in mine if not torch.equal(mine[key], theirs[key])} == set(keys)


def test_fresh_weights_follow_the_width_that_is_asked_for():
    assert NetConfig(name="wrn10-1").build(num_classes=7, in_channels=1).linear.out_features == 7
    net = NetConfig(name="wrn10-1", embedding_dim=5, parseval=True)
    built = net.build(num_classes=7, in_channels=1)
    assert built.linear.out_features == net.output_width(7) == 5
    assert isinstance(built.conv1, ParsevalConv2d)
    with pytest.raises(InputError, match="`embedding_dim` must be a whole number from 1 up, got 0"):
        NetConfig(name="wrn10-1", embedding_dim=0)


@pytest.mark.parametrize("name", [None, ""])
def test_a_file_says_its_name_itself(tmp_path, name):
    path = str(tmp_path / "net.safetensors")
    saved = SavedNet.describe("small_cnn-3", IMAGES, parseval=True)
    net = saved.build()
    saved.write(net, path)
    config = NetConfig(name=name, weights=path)
    assert config.label == "small_cnn-3"
    assert config.is_parseval  # or the same weights would make another function
    built = config.build(num_classes=3, in_channels=3)
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(built.eval()(images), net.eval()(images))


def test_nobody_says_the_name(tmp_path):
    with pytest.raises(InputError, match="`name` must say which network it is, such as"):
        _ = NetConfig().label
    file_of(tmp_path / "net.safetensors", "small_cnn-3")
    with pytest.raises(InputError, match=r"`name` must say .*: the weights in '.*' do not"):
        NetConfig(weights=str(tmp_path / "net.safetensors")).build(num_classes=10, in_channels=3)


def test_a_file_does_not_choose_code(tmp_path):
    path = str(tmp_path / "net.safetensors")
    saved = SavedNet.describe("tests.nets.factories:both", IMAGES)
    saved.write(saved.build(), path)
    with pytest.raises(InputError, match="only run if you ask for it"):
        _ = NetConfig(weights=path).label
    NetConfig(name=saved.net, weights=path).build(num_classes=3, in_channels=3)


def test_another_number_of_classes_is_refused_unless_the_head_is_replaced(tmp_path):
    path = tmp_path / "net.safetensors"
    saved = file_of(path, "wrn10-1", num_classes=10)
    with pytest.raises(InputError, match="2 keys of other shape"):
        NetConfig(name="wrn10-1", weights=str(path)).build(num_classes=4, in_channels=3)
    config = NetConfig(name="wrn10-1", weights=str(path), replace_head=True)
    torch.manual_seed(3)
    built = config.build(num_classes=4, in_channels=3)
    torch.manual_seed(3)
    fresh = build_net("wrn10-1", num_classes=4)
    assert torch.equal(built.linear.weight, fresh.linear.weight)
    assert torch.equal(built.linear.bias, fresh.linear.bias)
    saved.linear = fresh.linear
    assert equal_but(built, saved, ())
    assert replaced_head(built, path) == ("linear.weight", "linear.bias")
    # where it fits, it is taken
    same = config.build(num_classes=10, in_channels=3)
    assert replaced_head(same, path) == ()
    assert equal_but(same, built, ()) is False


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("timm:resnet18", ("fc.weight", "fc.bias")),
        ("timm:mobilenetv3_small_050", ("classifier.weight", "classifier.bias")),
        ("timm:resnetv2_50", ("head.fc.weight", "head.fc.bias")),  # a convolution of 1x1
        (
            "timm:deit_tiny_distilled_patch16_224",  # two heads
            ("head.weight", "head.bias", "head_dist.weight", "head_dist.bias"),
        ),
        ("torchvision:mobilenet_v3_small", ("classifier.3.weight", "classifier.3.bias")),
        ("torchvision:squeezenet1_1", ("classifier.1.weight", "classifier.1.bias")),
    ],
)
def test_heads_of_other_packages(tmp_path, name, keys):
    pytest.importorskip(name.partition(":")[0])
    path = tmp_path / "net.pt"
    old, new = (build_net(name, num_classes=classes) for classes in (11, 3))
    torch.save(old.state_dict(), path)
    assert replaced_head(new, path) == keys
    load_weights(new, path, replace_head=True)
    assert all(
        torch.equal(value, old.state_dict()[key])
        for key, value in new.state_dict().items()
        if key not in keys
    )


def test_a_thousand_classes_become_ten(tmp_path):
    pytest.importorskip("torchvision")
    name, path = "torchvision:resnet18", tmp_path / "resnet18.pth"
    old = build_net(name, num_classes=1000).state_dict()
    torch.save(old, path)
    config = NetConfig(name=name, weights=str(path), replace_head=True)
    new = config.build(num_classes=10, in_channels=3).state_dict()
    assert new["fc.weight"].shape == (10, 512)
    assert old.keys() == new.keys()
    assert all(torch.equal(old[key], new[key]) for key in old if not key.startswith("fc."))
    torch.save({key: value for key, value in old.items() if key != "layer1.0.bn1.bias"}, path)
    with pytest.raises(InputError, match=r"1 key missing \('layer1.0.bn1.bias'\)$"):
        config.build(num_classes=10, in_channels=3)


def layers(*widths):
    return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(widths)))


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (layers(4, 6, 3), "3 keys of other shape"),  # an inner width: no head of the same network
        (layers(4, 6, 2), "4 keys of other shape"),
        (layers(4, 5, 3, 2), "2 keys unexpected"),
        (layers(4, 5), "2 keys missing"),
    ],
)
def test_anything_but_the_head_is_still_refused(tmp_path, file, sentence):
    save_weights(file, tmp_path / "net.safetensors")
    net = layers(4, 5, 3)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(InputError, match=sentence):
        load_weights(net, tmp_path / "net.safetensors", replace_head=True)
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())


def test_a_missing_file_is_one_sentence():
    config = NetConfig(name="small_cnn", weights="no/such.safetensors")
    with pytest.raises(InputError, match="does not exist"):
        config.build(num_classes=3, in_channels=3)
