"""Whole runs: what they leave, what they measure, and what stops them before they begin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.recipes.images import write_arrays
from torchlgg.core import InputError
from torchlgg.metrics import error_rate
from torchlgg.nets import SavedNet, build_net, open_net
from torchlgg.recipes import (
    Observer,
    RunConfig,
    from_plain,
    prepare,
    recipe,
    run_recipe,
    with_settings,
)
from torchlgg.records import RunFolder
from torchlgg.training import TrainingState, predict

SMALL = ["data.source=digits", "data.limit=300", "net.name=small_cnn-4", "training.epochs=3",
         "training.batch_size=50", "training.crop_padding=1", "training.flip=false"]  # fmt: skip


def small(name: str, *words: str) -> RunConfig:
    return with_settings(recipe(name), [*SMALL, *words])


def test_what_a_run_leaves(tmp_path: Path) -> None:
    config = small("fast/classify")
    run = run_recipe(config, tmp_path / "run")
    assert run.info.status == "finished"
    assert from_plain(run.info.config) == config
    last, best = run.results()
    assert (last.task, best.task) == ("classify", "classify, best on validation")
    assert last.tags == {
        "recipe": "fast/classify", "network": "small_cnn-4", "method": "none", "seed": "0",
    }  # fmt: skip
    # the results are those of the files, and the epochs are those of the record
    test = config.data.open().test
    errors = [row["validation_error"] for row in run.metrics()]
    epoch = errors.index(min(errors)) + 1
    assert best.subject == f"network after epoch {epoch}, best on validation"
    for result, name in ((last, "model"), (best, "best")):
        net = open_net(run.path(f"{name}.safetensors"))
        wrong = error_rate(predict(net, test), test.labels)
        assert result.measurement("error").value == pytest.approx(100 * wrong)
    state = TrainingState.read(run.path("state.pt"))
    assert state.epoch == 3
    kept = open_net(run.path("model.safetensors")).state_dict()
    assert all(torch.equal(kept[name], value) for name, value in state.student.items())


def test_the_best_epoch_need_not_be_the_last(tmp_path: Path) -> None:
    words = ["training.epochs=12", "training.learning_rate=0.05", "net.embedding_dim=16"]
    run = run_recipe(small("fast/embed", *words), tmp_path / "run")  # it spreads, and gets worse
    errors = [row["validation_error"] for row in run.metrics()]
    best = errors.index(min(errors)) + 1
    assert best < 12, errors
    saved = {name: run.path(f"{name}.safetensors").read_bytes() for name in ("model", "best")}
    assert saved["model"] != saved["best"]
    assert f"after epoch {best}," in run.results()[1].subject


def test_embeddings(tmp_path: Path) -> None:
    config = small("fast/embed", "net.embedding_dim=16", "training.epochs=8")
    run = run_recipe(config, tmp_path / "run")
    saved = SavedNet.read(run.path("model.safetensors"))
    assert (saved.num_classes, len(saved.class_names)) == (16, 10)
    names = [measured.name for measured in run.results()[0].measurements]
    assert names == ["1-NN error", "10-NN error", "linear probe error", "RBF SVC error"]
    rows = run.metrics()
    assert set(rows[0]["terms"]) == {"gsl"}
    assert rows[-1]["terms"]["gsl"] < rows[0]["terms"]["gsl"]
    assert min(row["validation_error"] for row in rows) < 0.7 < 0.9  # 0.9 is chance


def test_balanced_batches(tmp_path: Path) -> None:
    words = ["training.batch_size=40", "training.classes_per_batch=5", "training.epochs=1"]
    run = run_recipe(small("fast/embed", *words), tmp_path / "run")
    assert run.metrics()[0]["steps"] == 270 // 40
    with pytest.raises(InputError, match="`classes_per_batch` must divide the batch size"):
        small("fast/embed", "training.classes_per_batch=3")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_schedules(optimizer: str, tmp_path: Path) -> None:
    config = small(
        "fast/classify", f"training.optimizer={optimizer}", "training.nesterov=false",
        "training.learning_rate=0.01", "training.epochs=4", "training.warmup=0.25",
    )  # fmt: skip
    rates = [row["learning_rate"] for row in run_recipe(config, tmp_path / "run").metrics()]
    assert rates[0] == pytest.approx(0.01, rel=0.1)  # the warm-up ends here
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] < 3e-4


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_recipe(small("fast/r", f"training.seed={seed}", "training.epochs=1"), tmp_path / name)
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_an_observer_is_told_and_may_stop(tmp_path: Path) -> None:
    told = []

    class Impatient(Observer):
        def note(self, text: str) -> None:
            told.append(text)

        def epoch(self, report, epochs) -> None:
            told.append((report.epoch, epochs))
            if report.epoch == 2:
                raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_recipe(small("fast/classify"), tmp_path / "run", observer=Impatient())
    assert told == [
        "269 training images, 31 for validation, 359 for the test; small_cnn-4 on cpu",
        (1, 3),
        (2, 3),
    ]


@pytest.fixture
def teacher_of_seven(tmp_path: Path) -> Path:
    path = tmp_path / "seven.safetensors"
    images = small("fast/classify").data.open().train
    SavedNet(
        net="small_cnn-4", num_classes=7, in_channels=1, class_names=tuple("abcdefg"),
        mean=images.mean, std=images.std,
    ).write(build_net("small_cnn-4", num_classes=7, in_channels=1), path)  # fmt: skip
    return path


def test_what_cannot_begin(tmp_path: Path, teacher_of_seven: Path) -> None:
    out = tmp_path / "out"
    for config, sentence in (
        (recipe("fast/classify"), "`source` must be 'digits' or the name of a folder"),
        (small("fast/gkd"), "the losses gkd need a teacher: set `teacher.weights`"),
        (small("fast/gkd", f"teacher.weights={teacher_of_seven}"),
         "was trained on the classes a, b, c, d, e, ... (7), the images have 0, 1"),
        (small("fast/r", "task.layers=[stage1]"), "at least two layers"),
        (small("fast/classify", "training.crop_padding=8"), "less than the side of an image"),
        (small("fast/classify", "net.name=small_cm-4"), "is not a known network"),
    ):  # fmt: skip
        with pytest.raises(InputError) as raised:
            run_recipe(config, out)
        assert sentence in str(raised.value)
        assert not out.exists()


def test_a_teacher_without_words_of_its_own(tmp_path: Path, teacher_of_seven: Path) -> None:
    """A bare state dict says no classes: its shape does."""
    path = tmp_path / "seven.pt"
    torch.save(open_net(teacher_of_seven).state_dict(), path)
    config = small("fast/gkd", f"teacher.weights={path}", "teacher.name=small_cnn-4")
    with pytest.raises(InputError, match=r"'linear.weight' is \(7, 16\) and must be \(10, 16\)"):
        prepare(config)


def test_a_set_that_shrank_cannot_be_resumed(tmp_path: Path) -> None:
    from torchlgg.cli._train import resume_one

    images = write_arrays(tmp_path / "images", side=8)
    config = with_settings(small("fast/classify"), [f"data.source={images}", "data.limit=null"])

    class Once(Observer):
        def epoch(self, report, epochs) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_recipe(config, tmp_path / "run", observer=Once())
    for file in images.iterdir():
        file.unlink()
    images.rmdir()
    write_arrays(images, train=50, side=8)
    with pytest.raises(InputError, match="the training images are not the same as when the run"):
        resume_one(tmp_path / "run", time_budget=None)


def test_an_image_that_vanishes_stops_the_run_and_keeps_the_state(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    draw = np.random.Generator(np.random.PCG64(0))
    for label in range(2):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(20):
            pixels = draw.integers(0, 255, (12, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"class{label}" / f"{number}.png")
    words = [f"data.source={folder}", "data.limit=null", "data.in_memory=false",
             "data.image_size=12", "data.workers=0", "training.batch_size=8"]  # fmt: skip

    class Vandal(Observer):
        def epoch(self, report, epochs) -> None:
            for place in folder.glob("class1/*.png"):
                place.write_bytes(place.read_bytes()[:40])

    with pytest.raises(InputError, match=r"class1.*\.png"):
        run_recipe(small("fast/classify", *words), tmp_path / "run", observer=Vandal())
    run = RunFolder.open(tmp_path / "run")
    assert run.info.status == "failed"
    assert [row["epoch"] for row in run.metrics()] == [1]
    assert TrainingState.read(run.path("state.pt")).epoch == 1
    open_net(run.path("model.safetensors"))
