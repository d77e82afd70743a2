"""`lgg train` and `lgg recipes`: recipes in words, listings, and runs that go on."""

from __future__ import annotations

import pytest
import yaml

from torchlgg.recipes import from_plain, recipe, recipe_names
from torchlgg.records import RunFolder

SMALL = [
    "--data", "digits", "--set", "data.limit=200", "--set", "net.name=small_cnn-2",
    "--set", "training.epochs=2", "--set", "training.batch_size=50",
    "--set", "training.crop_padding=1",
]  # fmt: skip


def test_recipes_are_listed(lgg) -> None:
    done = lgg("recipes")
    assert done.code == 0
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines] == list(recipe_names())


@pytest.mark.parametrize("name", ["fast/classify", "fast/embed", "fast/r", "fast/pr"])
def test_each_task_by_its_recipe(lgg, tmp_path, name) -> None:
    done = lgg("train", name, *SMALL, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "epoch 2/2  " in done.out
    run = RunFolder.open(tmp_path / "run")
    assert run.info.status == "finished"
    assert {result.tags["recipe"] for result in run.results()} == {name}
    for result in run.results():
        for measured in result.measurements:
            if "best" not in result.task:
                assert f"network: {measured}" in done.out


def test_what_print_config_prints_is_a_recipe(lgg, teacher, tmp_path) -> None:
    words = [*SMALL, "--teacher-weights", teacher, "--set", "task.losses=[hkd, gkd]"]
    done = lgg("train", "fast/gkd", *words, "--print-config")
    assert done.code == 0, done.err
    config = from_plain(yaml.safe_load(done.out))
    assert config.task.names == ("hkd", "gkd")
    assert config.teacher.weights == str(teacher)
    (tmp_path / "mine.yaml").write_text(done.out.replace("recipe: fast/gkd\n", ""))
    done = lgg("train", tmp_path / "mine.yaml", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    kept = RunFolder.open(tmp_path / "run").info
    assert from_plain(kept.config).task == config.task
    assert kept.config["recipe"] == "mine"


def test_dry_run_lists_taps_and_writes_nothing(lgg, teacher, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = lgg("train", "fast/gkd", *SMALL, "--teacher-weights", teacher, "--dry-run")
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[1] == ["student", "shape", "teacher", "shape"]
    assert lines[2] == ["stage1", "2", "x", "8", "x", "8", "stage1", "4", "x", "8", "x", "8"]
    assert lines[4][0] == "pool"
    assert ["all", "layers", "of", "the", "teacher", "(*", "auto):"] in lines
    assert list(tmp_path.iterdir()) == []


def test_taps_of_unequal_number(lgg, teacher, tmp_path) -> None:
    words = [
        "distill", "--data", "digits", "--student", "small_cnn-2", "--teacher-weights", teacher,
        "--student-taps", "stage2,pool", "--out", tmp_path / "run",
    ]  # fmt: skip
    done = lgg(*words)
    assert done.code == 2
    assert "the student has 2 (stage2, pool) and the teacher 3 (stage1, stage2, pool)" in done.err
    done = lgg(*words, "--pair-taps", "end", "--dry-run")
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()[2:4]] == ["stage2", "pool"]
    done = lgg(*words, "--pair-taps", "name", "--dry-run")
    assert done.code == 0, done.err
    done = lgg(*words[:-4], "--student-taps", "linear", "--teacher-taps", "pool",
               "--pair-taps", "name", "--dry-run")  # fmt: skip
    assert "no tap has one name in both networks: the student has linear, the teacher pool" in (
        done.err
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "`lgg train` needs a recipe, such as fast/classify; see `lgg recipes`"),
        (["fast/clasify"], "there is no recipe 'fast/clasify'; did you mean 'fast/classify'"),
        (["fast/classify"], "`source` must be 'digits' or the name of a folder"),
        (["fast/classify", "--set", "trainin.epochs=3"], "`trainin` is no setting; did you mean"),
        (["fast/gkd", "--data", "digits"], "set `teacher.weights` to a file of its weights"),
        (["no.yaml"], "cannot read the recipe 'no.yaml': No such file or directory"),
        (["fast/classify", "--resume", "x"], "`RECIPE` cannot change when a run goes on by"),
        (["--set", "a=1", "--resume", "x"], "`--set` cannot change when a run goes on by"),
    ],
)
def test_bad_words(lgg, tmp_path, monkeypatch, words, sentence) -> None:
    monkeypatch.chdir(tmp_path)
    done = lgg("train", *words)
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_named_after_the_recipe(lgg, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert lgg("train", "fast/classify", *SMALL).code == 0
    assert RunFolder.open("runs/fast/classify").info.config["recipe"] == "fast/classify"
    assert recipe("fast/classify").training.epochs != 2


def test_what_a_run_measured_is_measured_again(lgg, tmp_path) -> None:
    """Grey images in a network of three channels, and an embedding of all training images."""
    run = tmp_path / "run"
    words = ["--set", "data.mean=[0.5, 0.5, 0.5]", "--set", "data.std=[0.2, 0.2, 0.2]"]
    assert lgg("train", "fast/classify", *SMALL, *words, "--out", run).code == 0
    again = lgg("evaluate", "--weights", run / "model.safetensors", "--data", "digits")
    assert again.code == 0, again.err
    assert again.out == f"{RunFolder.open(run).results()[0].measurements[0]}\n"

    embedding = tmp_path / "embedding"
    whole = [
        "--set", "data.validation=0", "--set", "data.limit=null",
        "--set", "engine.channels_last=false",  # the same order of sums
    ]  # fmt: skip
    assert lgg("train", "fast/embed", *SMALL, *whole, "--out", embedding).code == 0
    again = lgg("evaluate", "--weights", embedding / "model.safetensors", "--data", "digits")
    assert again.code == 0, again.err
    lines = [str(m) for m in RunFolder.open(embedding).results()[0].measurements]
    assert again.out.splitlines() == [
        "359 test images by their neighbours among 1438 training images",
        *lines,
    ]
