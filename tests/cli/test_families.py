"""Networks of other families on folders of images: listed, paired, trained, exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from torchlgg.nets import build_net, open_net
from torchlgg.records import RunFolder

FACTORY = """
from torchvision.models import VisionTransformer


def small_vit(num_classes):
    return VisionTransformer(
        image_size=64, patch_size=16, num_layers=4, num_heads=2, hidden_dim=32, mlp_dim=64,
        num_classes=num_classes,
    )
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of noisy colours, images of several sizes."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    draw = np.random.Generator(np.random.PCG64(0))
    for label, colour in enumerate(draw.integers(60, 196, (3, 3))):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(10):
            height, width = draw.integers(66, 90, 2)
            pixels = colour + draw.integers(-50, 50, (height, width, 3))
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(folder / f"class{label}" / f"{number}.jpg")
    return folder


@pytest.mark.parametrize(
    ("teacher", "student"),
    [
        ("timm:resnet18", "timm:mobilenetv3_small_050"),
        ("my_nets:small_vit", "torchvision:resnet18"),
    ],
    ids=["timm", "torchvision"],
)
def test_other_families(lgg, photos, tmp_path, monkeypatch, teacher: str, student: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_nets.py").write_text(FACTORY)
    torch.manual_seed(0)
    weights = tmp_path / "teacher.pt"
    torch.save(build_net(teacher, num_classes=3).state_dict(), weights)
    words = [
        "distill", "--data", photos, "--image-size", 64, "--teacher-net", teacher,
        "--teacher-weights", weights, "--student", student, "--batch-size", 8, "--epochs", 1,
        "--loss", "hkd+gkd+rkd", "--pair-taps", "end",
    ]  # fmt: skip

    listed = lgg(*words, "--dry-run")
    assert listed.code == 0, listed.err
    pairs = listed.out.partition("\n\n")[0].splitlines()[2:]
    assert len(pairs) >= 4, listed.out
    for name in ("student", "teacher"):
        assert f"all layers of the {name}" in listed.out

    done = lgg(*words, "--out", "run")
    assert done.code == 0, done.err
    run = RunFolder.open("run")
    assert set(run.metrics()[0]["terms"]) == {"ce", "hkd", "gkd", "rkd"}
    measured = [m.name for m in run.results()[1].measurements if m.name.startswith("graph")]
    assert len(measured) == len(pairs)

    assert lgg("export", "run", "student.pt2").code == 0
    net = open_net(run.path("model.safetensors"))
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in statistics(run))
    images = torch.rand(3, 3, 64, 64)
    exported = torch.export.load("student.pt2").module()
    torch.testing.assert_close(exported(images), net((images - mean) / std), rtol=1e-4, atol=1e-4)


def statistics(run: RunFolder) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from torchlgg.nets import SavedNet

    saved = SavedNet.read(run.path("model.safetensors"))
    return saved.mean, saved.std
