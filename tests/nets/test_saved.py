"""What a file says of its network, and networks that are opened by it."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from torchlgg.core import InputError
from torchlgg.nets import SavedNet, build_net, open_net, save_weights

IMAGES = SimpleNamespace(
    class_names=("a", "b", "c"), shape=(2, 8, 6), mean=(0.1, 0.2), std=(0.5, 0.25)
)


def written(path, name="small_cnn-3", **options):
    torch.manual_seed(0)
    saved = SavedNet.describe(name, IMAGES, **options)
    net = saved.build()
    saved.write(net, path)
    return saved, net.eval()


@pytest.mark.parametrize(
    "options", [{}, {"parseval": True, "licence": "CC BY 4.0"}, {"num_classes": 16}]
)
def test_a_file_opens_as_the_network_that_was_written(tmp_path, options):
    saved, net = written(tmp_path / "net.safetensors", **options)
    assert SavedNet.read(tmp_path / "net.safetensors") == saved
    assert saved.image_size == (8, 6)
    again = open_net(tmp_path / "net.safetensors")
    assert not again.training
    images = torch.rand(4, 2, 8, 6)
    assert torch.equal(again(images), net(images))
    assert again(images).shape == (4, options.get("num_classes", 3))


def test_opening_loads_nothing_of_the_training(tmp_path):
    written(tmp_path / "net.safetensors")
    script = (
        "import sys; from torchlgg.nets import open_net\n"
        f"open_net({str(tmp_path / 'net.safetensors')!r})\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "torchlgg.nets" in loaded
    above = ("training", "losses", "metrics", "evaluation", "recipes", "data", "reports", "cli")
    assert not loaded & {f"torchlgg.{package}" for package in above}
    assert not loaded & {"onnx", "onnxscript", "torchvision", "timm"}


def test_files_from_before_sizes_were_kept(tmp_path):
    old = {"net": "small_cnn-3", "num_classes": 3, "in_channels": 2, "class_names": ["a", "b", "c"],
           "mean": [0.1, 0.2], "std": [0.5, 0.25], "parseval": False}  # fmt: skip
    net = build_net("small_cnn-3", num_classes=3, in_channels=2)
    save_weights(net, tmp_path / "net.safetensors", {"torchlgg": json.dumps(old)})
    saved = SavedNet.read(tmp_path / "net.safetensors")
    assert saved.image_size is None
    assert saved.licence is None
    assert saved.class_names == ("a", "b", "c")
    assert open_net(tmp_path / "net.safetensors")(torch.rand(1, 2, 8, 8)).shape == (1, 3)


def test_files_of_others_have_no_description(tmp_path):
    net = build_net("small_cnn-3", num_classes=3)
    save_weights(net, tmp_path / "net.safetensors")
    torch.save(net.state_dict(), tmp_path / "net.pt")
    for name in ("net.safetensors", "net.pt"):
        assert SavedNet.read(tmp_path / name) is None
        with pytest.raises(InputError, match="does not say which network its weights belong to"):
            open_net(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"net": 5}, r"net: .*string"),
        ({"num_classes": "many"}, r"num_classes: .*integer"),
        ({"mean": 0.5}, r"mean: .*"),
        ({"image_size": [8]}, r"image_size"),
        ({"nte": "x"}, r"unknown entry 'nte'"),
        ([1], r"it is no mapping"),
        ("{", r"Expecting property name"),
    ],
)
def test_damaged_descriptions_are_one_sentence(tmp_path, change, reason):
    saved, net = written(tmp_path / "net.safetensors")
    text = change
    if not isinstance(change, str):
        whole = json.loads(json.dumps(saved.__dict__))
        text = json.dumps(whole | change if isinstance(change, dict) else change)
    save_weights(net, tmp_path / "net.safetensors", {"torchlgg": text})
    with pytest.raises(InputError, match=rf"cannot be read \(.*{reason}.*\); name the network"):
        SavedNet.read(tmp_path / "net.safetensors")


def test_a_file_never_chooses_the_code_that_is_run(tmp_path, monkeypatch):
    """Weights from elsewhere may name any function; only the user may ask for it."""
    name = "tests.nets.factories:both"
    _, net = written(tmp_path / "net.safetensors", name)

    def run(*_args, **_options):
        raise AssertionError("code was run that nobody asked for")

    with monkeypatch.context() as guarded:
        guarded.setattr("tests.nets.factories.both", run)
        with pytest.raises(InputError, match=r"only run if you ask for it: name the network"):
            open_net(tmp_path / "net.safetensors")
    again = open_net(tmp_path / "net.safetensors", name=name)
    images = torch.rand(2, 2, 8, 8)
    assert torch.equal(again(images), net(images))
