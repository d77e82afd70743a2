"""Networks as files that run without torchlgg."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from torchlgg.core import InputError
from torchlgg.nets import ParsevalConv2d, UnitLength, build_net, export_net

MEAN, STD = (0.5, 0.25, 0.4), (0.25, 0.5, 0.2)
SIZE = (12, 10)


def net_of(name="small_cnn-3", *, seed=0, **options):
    """A network with batch norms that are not the identity."""
    torch.manual_seed(seed)
    net = build_net(name, num_classes=5, **options)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net


def linear():
    return net_of("tests.nets.factories:both")


def exported(net, path, *, size=SIZE, normalize=(MEAN, STD)):
    export_net(net, path, in_channels=3, image_size=size, normalize=normalize)
    return path


def run_onnx(path, images):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [(name, shape)] = [(taken.name, taken.shape) for taken in session.get_inputs()]
    assert (name, shape[1:]) == ("images", list(images.shape[1:]))
    assert isinstance(shape[0], str)  # any number; torch chooses its name
    [found] = session.run(["output"], {"images": images.numpy()})
    return torch.from_numpy(found)


def run_pt2(path, images):
    return torch.export.load(path).module()(images)


RUN = {".pt2": run_pt2, ".onnx": run_onnx}


@pytest.mark.parametrize("ending", RUN)
@pytest.mark.parametrize(
    "make",
    [
        lambda: net_of(),
        lambda: net_of("preact_wrn10-0.5", parseval=True),
        lambda: UnitLength(net_of("wrn10-0.5")),
        linear,
    ],
    ids=["small_cnn", "preact_wrn, parseval", "unit length", "own"],
)
def test_a_file_takes_pixels_and_batches_of_any_size(tmp_path, make, ending):
    net = make()
    path = exported(net, tmp_path / f"net{ending}")
    assert net.training  # left as it was
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    for count in (1, 2, 7):
        pixels = torch.rand(count, 3, *SIZE)
        with torch.no_grad():
            expected = net.eval()((pixels - mean) / std)
        torch.testing.assert_close(
            RUN[ending](path, pixels).detach(), expected, rtol=1e-4, atol=1e-5
        )
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", RUN)
@pytest.mark.parametrize(
    ("name", "size"),
    [("timm:mobilenetv3_small_050", 32), ("torchvision:resnet18", 32), ("torchvision:vit", 32)],
)
def test_networks_of_other_packages(tmp_path, name, size, ending):
    pytest.importorskip(name.partition(":")[0])
    torch.manual_seed(0)
    if name == "torchvision:vit":  # its smallest is too large for a test
        vision = pytest.importorskip("torchvision.models.vision_transformer")
        net = vision.VisionTransformer(
            image_size=size, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32
        )
    else:
        net = net_of(name)
    path = exported(net, tmp_path / f"net{ending}", size=(size, size), normalize=None)
    images = torch.randn(3, 3, size, size)
    with torch.no_grad():
        expected = net.eval()(images)
    torch.testing.assert_close(RUN[ending](path, images).detach(), expected, rtol=1e-3, atol=1e-4)


def test_pt2_needs_torch_alone(tmp_path):
    path = exported(linear(), tmp_path / "net.pt2")
    script = (
        "import sys, torch\n"
        f"print(*torch.export.load({str(path)!r}).module()(torch.zeros(3, 3, 12, 10)).shape)\n"
        "assert not any(name.startswith('torchlgg') for name in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["3", "5"]


@pytest.mark.parametrize(
    ("normalize", "said"), [((MEAN, STD), "pixels from 0 to 1"), (None, "normalised already")]
)
def test_the_file_says_what_it_takes(tmp_path, normalize, said):
    onnx = pytest.importorskip("onnx")
    for ending in RUN:
        export_net(
            linear(), tmp_path / f"net{ending}", in_channels=3, image_size=SIZE,
            normalize=normalize, metadata={"recipe": "größer"},
        )  # fmt: skip
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    in_onnx = {entry.key: entry.value for entry in model.metadata_props}
    words = {"torchlgg": ""}
    torch.export.load(tmp_path / "net.pt2", extra_files=words)
    in_pt2 = json.loads(words["torchlgg"])
    assert in_onnx == in_pt2
    assert in_pt2["input"] == f"images (N, C, H, W) = (any, 3, 12, 10), float32, {said}"
    assert in_pt2["recipe"] == "größer"


def test_half_precision_comes_out_in_float32(tmp_path):
    net = net_of().bfloat16()
    path = exported(net, tmp_path / "net.pt2")
    assert net.linear.weight.dtype == torch.bfloat16
    assert run_pt2(path, torch.rand(2, 3, *SIZE)).dtype == torch.float32


class Branches(nn.Module):
    """Looks at its numbers, which no exported program can."""

    def forward(self, x):
        return x.flatten(1) * (2 if x.sum() > 0 else 3)


class Pair(nn.Module):
    """Two outputs."""

    def forward(self, x):
        return x, x


class Draws(nn.Module):
    """Another output each time."""

    def forward(self, x):
        return torch.rand_like(x)


@pytest.mark.parametrize(
    ("net", "sentence"),
    [
        (Branches(), "torch.export cannot follow this Branches: "),
        (Pair(), "`net` must return one tensor, got tuple"),
        (Draws(), "this Draws gives other numbers once exported"),
        (nn.Linear(3, 3), "the network cannot take images of 3 x 12 x 10: "),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(tmp_path, net, sentence):
    with pytest.raises(InputError) as error:
        exported(net, tmp_path / "net.pt2")
    assert str(error.value).startswith(f"export_net: {sentence}")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"path": "net.pt"}, "`path` must end in '.pt2' or '.onnx', got 'net.pt'"),
        ({"in_channels": 0}, "`in_channels` must be a whole number from 1 up, got 0"),
        ({"image_size": (8, 0)}, "`image_size` must be a whole number from 1 up, got 0"),
        ({"normalize": ((0.5,), (0.5,))}, r"`normalize` must be \(mean, std\) with 3 numbers each"),
        ({"normalize": (MEAN, (1, 0, 1))}, "and no std of 0"),
        ({"path": "no/such/net.pt2"}, "cannot write"),
    ],
)
def test_bad_input(tmp_path, monkeypatch, change, sentence):
    monkeypatch.chdir(tmp_path)
    words = {"path": "net.pt2", "in_channels": 3, "image_size": SIZE, "normalize": None} | change
    with pytest.raises(InputError, match=sentence):
        export_net(net_of(), words.pop("path"), **words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_missing_onnx_says_how_to_install_it(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"'.onnx' needs onnx and onnxscript.*; pip install onnx"):
        exported(net_of(), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_for_one_onnx_file(tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.setattr("torchlgg.nets._export._ONNX_LIMIT", 60)
    with pytest.raises(InputError, match=r"must end in '.pt2' for a network of 0.0 GB, since one"):
        exported(linear(), tmp_path / "net.onnx")  # 5 x (3 + 1) numbers, and 6 of the pixels
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("torchlgg.nets._export._ONNX_LIMIT", 26 * 4)
    exported(linear(), tmp_path / "net.onnx")


def test_what_onnx_cannot_express_is_one_sentence(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")

    def fail(*_args, **_options):
        raise RuntimeError("no such operator\nand a page more")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(InputError, match=r"express this network: no such operator; '\.pt2' may do"):
        exported(linear(), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_stays_whole_when_the_disk_is_full(tmp_path, monkeypatch):
    path = exported(linear(), tmp_path / "net.pt2")
    before = path.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="no space left on device"):
        exported(linear(), path)
    assert path.read_bytes() == before


def test_parseval_convolutions_are_divided_in_the_file(tmp_path):
    conv = nn.Sequential(ParsevalConv2d(3, 2, 3), nn.Flatten())
    path = exported(conv, tmp_path / "net.pt2", normalize=None)
    images = torch.rand(2, 3, *SIZE)
    plain = nn.functional.conv2d(images, conv[0].weight, conv[0].bias * 19**0.5) / 19**0.5
    torch.testing.assert_close(run_pt2(path, images), plain.flatten(1))
