"""The published settings, and that they train; only epochs and images are fewer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.recipes.images import write_arrays
from torchlgg.nets import SavedNet, build_net
from torchlgg.recipes import recipe, recipe_names, run_recipe, to_plain, with_settings
from torchlgg.training import Robustify

PAPER = [name for name in recipe_names() if name.startswith("lassance2021/")]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_arrays(tmp_path_factory.mktemp("images") / "set", train=24, test=12)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    torch.manual_seed(0)
    data = with_settings(recipe("fast/teacher"), [f"data.source={images}"]).data.open()
    SavedNet.describe("wrn28-1", data.train).write(build_net("wrn28-1", num_classes=10), path)
    return path


def run(name: str, images: Path, teacher: Path, folder: Path) -> None:
    """Two epochs of 24 images, so that the learning rate of the second half is met too."""
    words = [f"data.source={images}", "training.epochs=2"]
    config = recipe(name)
    if config.task.needs_teacher:
        words.append(f"teacher.weights={teacher}")
    short = with_settings(config, words)
    changed = replace(
        short,
        training=replace(short.training, epochs=config.training.epochs),
        data=config.data,
        teacher=config.teacher,
    )
    assert changed == config
    done = run_recipe(short, folder / "run")
    rows, results = done.metrics(), done.results()
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all(value > 0 for row in rows for value in row["terms"].values())
    assert results[-1].tags["recipe"] == name
    weights = SavedNet.read(done.path("model.safetensors"))
    assert weights is not None
    assert weights.parseval == config.net.parseval


@pytest.mark.parametrize("name", [name for name in PAPER if "cifar100" not in name])
def test_it_trains(name: str, images: Path, teacher: Path, tmp_path: Path) -> None:
    run(name, images, teacher, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in PAPER if "cifar100" in name])
def test_the_large_ones_train(name: str, images: Path, teacher: Path, tmp_path: Path) -> None:
    run(name, images, teacher, tmp_path)


def test_distillation_is_as_published() -> None:
    config = recipe("lassance2021/gkd")
    assert (config.net.name, config.teacher.name) == ("wrn28-0.5", "wrn28-1")
    plain = to_plain(config)["training"]
    assert {
        name: plain[name]
        for name in ("epochs", "batch_size", "optimizer", "learning_rate", "momentum",
                     "weight_decay", "schedule", "decay", "crop_padding", "flip")
    } == {
        "epochs": 200, "batch_size": 128, "optimizer": "sgd", "learning_rate": 0.1,
        "momentum": 0.9, "weight_decay": 5e-4, "schedule": "steps", "decay": 0.2,
        "crop_padding": 4, "flip": True,
    }  # fmt: skip
    assert config.training.decay_epochs == (60, 120, 160)
    weights = {
        name: recipe(f"lassance2021/{name}").task.term(name).weight
        for name in ("gkd", "rkd", "hkd")
    }
    assert weights == {"gkd": 25.0, "rkd": 25.0, "hkd": 16.0}
    assert recipe("lassance2021/hkd").task.term("hkd").temperature == 4.0
    assert all(recipe(name).data.validation == 0 for name in PAPER)


def test_embeddings_are_as_published() -> None:
    config = recipe("lassance2021/gsl")
    assert (config.training.epochs, config.task.kind) == (200, "embed")


@pytest.mark.parametrize(
    ("prefix", "net", "rates"),
    [
        ("", "preactresnet18", [(0, 0.1), (49, 0.1), (50, 0.001), (99, 0.001)]),
        ("cifar100-", "preact_wrn28-10",
         [(0, 0.1), (59, 0.1), (60, 0.02), (119, 0.02), (120, 0.004), (159, 0.004), (160, 0.0008)]),
    ],
)  # fmt: skip
def test_robustness_is_as_published(prefix: str, net: str, rates: list[tuple[int, float]]) -> None:
    kinds = {letter: recipe(f"lassance2021/{prefix}{letter}") for letter in ("v", "p", "r", "pr")}
    for letter, config in kinds.items():
        assert config.net.name == net
        assert config.training.batch_size == 100
        assert config.training.fresh_optimizer
        for epoch, rate in rates:
            assert config.training.learning_rate_at(epoch) == pytest.approx(rate)
        assert config.net.parseval == ("p" in letter)
        augmented = config.training.crop_padding > 0 and config.training.flip
        assert augmented == bool(prefix)
    regularized = kinds["r"].task
    assert isinstance(regularized, Robustify)
    assert (regularized.variation.weight, regularized.variation.power) == (1e-4, 2)
    assert (regularized.layers, regularized.parseval) == ("relu", None)
    assert kinds["p"].task == Robustify(variation=None, parseval=0.01)
    assert kinds["pr"].task.variation == regularized.variation
    assert kinds["v"].training.epochs == (200 if prefix else 100)
