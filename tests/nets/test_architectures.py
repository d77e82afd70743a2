"""The networks against the paper's words, as plain functional code, and the released weights."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from tests.shared import SHARED, needs_shared
from torchlgg.nets import (
    PreActResNet,
    PreActWideResNet,
    SmallCNN,
    WideResNet,
    build_net,
    load_weights,
)

CHECKPOINTS = SHARED / "reference" / "checkpoints"
MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1)
STD = torch.tensor([0.2023, 0.1994, 0.2010]).view(3, 1, 1)


class Plain:
    """Layers read from a state dict by name, as functions of evaluation mode."""

    def __init__(self, state: dict[str, Tensor], *, parseval: bool) -> None:
        self.state, self.parseval = state, parseval

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.state[f"{name}.weight"]
        k = weight.shape[-1]
        if self.parseval:
            weight = weight / (2 * k * k + 1) ** 0.5
        return F.conv2d(x, weight, stride=stride, padding=(k - 1) // 2)

    def bn(self, name: str, x: Tensor) -> Tensor:
        mean, var, weight, bias = (
            self.state[f"{name}.{part}"].view(-1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def add(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        return (branch + shortcut) / 2 if self.parseval else branch + shortcut

    def linear(self, x: Tensor) -> Tensor:
        return x @ self.state["linear.weight"].T + self.state["linear.bias"]


def wide_resnet(plain: Plain, x: Tensor, *, blocks: int) -> Tensor:
    x = plain.bn("bn", plain.conv("conv1", x)).relu()
    for group in (1, 2, 3):
        for block in range(blocks):
            at = f"layer{group}.{block}"
            stride = 2 if group > 1 and block == 0 else 1
            out = plain.bn(f"{at}.bn1", plain.conv(f"{at}.conv1", x, stride)).relu()
            out = plain.bn(f"{at}.bn2", plain.conv(f"{at}.conv2", out))
            if f"{at}.shortcut.0.weight" in plain.state:
                x = plain.bn(f"{at}.shortcut.1", plain.conv(f"{at}.shortcut.0", x, stride))
            x = plain.add(out, x).relu()
    return plain.linear(x.flatten(2).mean(-1))


def preact_resnet(plain: Plain, x: Tensor, *, groups: int, blocks: int) -> Tensor:
    x = plain.conv("conv1", x)
    for group in range(1, groups + 1):
        for block in range(blocks):
            at = f"layer{group}.{block}"
            stride = 2 if group > 1 and block == 0 else 1
            active = plain.bn(f"{at}.bn1", x).relu()
            changes = f"{at}.shortcut.weight" in plain.state
            shortcut = plain.conv(f"{at}.shortcut", active, stride) if changes else x
            out = plain.conv(f"{at}.conv1", active, stride)
            out = plain.conv(f"{at}.conv2", plain.bn(f"{at}.bn2", out).relu())
            x = plain.add(out, shortcut)
    return plain.linear(x.relu().flatten(2).mean(-1))


def small_cnn(plain: Plain, x: Tensor) -> Tensor:
    for stage, stride in (("stage1", 1), ("stage2", 2), ("stage3", 2)):
        x = plain.bn(f"{stage}.bn", plain.conv(f"{stage}.conv", x, stride)).relu()
    return plain.linear(x.flatten(2).mean(-1))


def with_generic_statistics(net: torch.nn.Module) -> torch.nn.Module:
    """In float64 and evaluation mode, with batch norms that are not the identity."""
    generator = torch.Generator().manual_seed(0)
    net = net.double().eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for values, low in (
                    (module.running_mean, -0.3),
                    (module.running_var, 0.5),
                    (module.weight, 0.5),
                    (module.bias, -0.3),
                ):
                    values.copy_(torch.rand(values.shape, generator=generator) + low)
    return net


@pytest.mark.parametrize("parseval", [False, True])
@pytest.mark.parametrize(
    ("make", "oracle"),
    [
        (
            lambda parseval: WideResNet(16, 0.5, num_classes=7, parseval=parseval),
            lambda plain, x: wide_resnet(plain, x, blocks=2),
        ),
        (
            lambda parseval: PreActResNet(num_classes=7, width=6, parseval=parseval),
            lambda plain, x: preact_resnet(plain, x, groups=4, blocks=2),
        ),
        (
            lambda parseval: PreActWideResNet(16, 2, num_classes=7, parseval=parseval),
            lambda plain, x: preact_resnet(plain, x, groups=3, blocks=2),
        ),
        (lambda parseval: SmallCNN(num_classes=7, width=5, parseval=parseval), small_cnn),
    ],
    ids=["WideResNet", "PreActResNet", "PreActWideResNet", "SmallCNN"],
)
def test_network_is_what_the_paper_says(make, oracle, parseval):
    torch.manual_seed(0)
    net = with_generic_statistics(make(parseval))
    images = torch.randn(2, 3, 12, 10, dtype=torch.float64)
    expected = oracle(Plain(net.state_dict(), parseval=parseval), images)
    torch.testing.assert_close(net(images), expected, rtol=1e-9, atol=1e-9)


@needs_shared
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("wrn28-1_cifar10_teacher.safetensors", "wrn28-1"),
        ("wrn28-0.5_cifar10_gkd_student.safetensors", "wrn28-0.5"),
        ("wrn28-0.5_cifar10_rkd_student.safetensors", "wrn28-0.5"),
    ],
)
def test_released_weights_load_as_they_are(file, name):
    from safetensors.torch import load_file

    net = build_net(name, num_classes=10)
    assert load_weights(net, CHECKPOINTS / file) == {}
    stored, state = load_file(CHECKPOINTS / file), net.state_dict()
    assert stored.keys() == state.keys()
    assert all(torch.equal(stored[key], state[key]) for key in stored)


def first_test_images(count: int) -> Tensor:
    """The first rows of the CIFAR-10 test file, normalised as the teacher was trained."""
    import pyarrow.parquet
    from PIL import Image

    file = pyarrow.parquet.ParquetFile(
        SHARED / "datasets" / "cifar10" / "test-00000-of-00001.parquet"
    )
    rows = file.read_row_group(0, columns=["img"]).column("img").slice(0, count).to_pylist()
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(row["bytes"]))) for row in rows])
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - MEAN) / STD


@needs_shared
def test_teacher_gives_the_stored_outputs():
    if not (SHARED / "datasets" / "cifar10").is_dir():
        pytest.skip("needs the CIFAR-10 parquet files in ../shared/datasets")
    net = build_net("wrn28-1", num_classes=10).eval()
    load_weights(net, CHECKPOINTS / "wrn28-1_cifar10_teacher.safetensors")
    taps: dict[str, Tensor] = {}
    for name in net.auto_taps:
        net.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: taps.__setitem__(name, output)
        )
    with torch.no_grad():
        logits = net(first_test_images(256))
    with np.load(SHARED / "reference" / "wrn28-1_teacher_outputs.npz") as stored:
        expected = {key: torch.from_numpy(np.asarray(stored[key])) for key in stored.files}
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(logits, expected["logits_first256"], **close)
    torch.testing.assert_close(taps["pool"], expected["pool3_first256"], **close)
    for name, key in (("layer1", "pool1_mean_abs"), ("layer2", "pool2_mean_abs")):
        assert taps[name].abs().mean().item() == pytest.approx(expected[key].item(), rel=1e-5)
