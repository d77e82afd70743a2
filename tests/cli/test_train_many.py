"""`lgg train` of several recipes and seeds: a queue, its table, and asking again."""

from __future__ import annotations

import pytest

from torchlgg.cli._train_many import parse_seeds
from torchlgg.core import InputError
from torchlgg.records import RunFolder, find_runs

WORDS = [
    "train", "digits/classify", "digits/embed", "--seeds", "0,1", "--jobs", 2,
    "--set", "training.epochs=1", "--set", "data.limit=100", "--set", "net.name=small_cnn-2",
]  # fmt: skip


def test_seeds() -> None:
    assert parse_seeds("0-4") == [0, 1, 2, 3, 4]
    assert parse_seeds("3, 1 ,5-6,1") == [3, 1, 5, 6]
    for words in ("", "a", "4-2", "1,,2", "-3", "0-99999"):
        with pytest.raises(InputError, match="`--seeds` must look like 0-4 or 0,2,5"):
            parse_seeds(words)


def test_recipes_by_seeds(lgg, tmp_path) -> None:
    done = lgg(*WORDS, "--out", tmp_path)
    assert done.code == 0, done.err + done.out
    folders = {str(place.relative_to(tmp_path)) for place in find_runs(tmp_path)}
    assert folders == {
        f"digits/{name}/seed-{seed}" for name in ("classify", "embed") for seed in (0, 1)
    }
    for folder in folders:
        run = RunFolder.open(tmp_path / folder)
        assert run.info.status == "finished"
        assert run.info.seeds == (int(folder[-1]),)
    # two tables: what is measured on a classifier and on embeddings is not the same
    assert done.out.count("Means over seeds") == 2
    assert "10-NN error" in done.out
    assert "digits/classify, seed 1: finished" in done.out

    again = lgg(*WORDS, "--out", tmp_path)
    assert again.code == 0
    assert again.out.count("finished before, kept") == 4

    other = lgg(*WORDS, "--set", "training.epochs=2", "--out", tmp_path)
    assert other.code == 2
    assert "holds another run than is asked for" in other.err

    listed = lgg("runs", "list", tmp_path)
    assert listed.code == 0
    assert listed.out.count("finished") == 4


def test_what_is_for_a_single_run(lgg, tmp_path) -> None:
    for option in ("--overwrite", "--dry-run", "--print-config"):
        done = lgg(*WORDS, "--out", tmp_path, option)
        assert done.code == 2
        assert f"`{option}` is for a single run" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_is_said(lgg, tmp_path) -> None:
    done = lgg(
        "train", "digits/classify", "--seeds", "0", "--set", "training.learning_rate=1e30",
        "--set", "training.epochs=1", "--out", tmp_path,
    )  # fmt: skip
    assert done.code == 1
    assert "digits/classify, seed 0: failed" in done.out
    assert "training diverged" in done.out
    assert "go on with `lgg train digits/classify --seeds 0" in done.out
