"""Kills at any moment: the run goes on and ends in the bytes of one that was never stopped."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.training.faults import Nursery
from torchlgg.data import open_images
from torchlgg.nets import SavedNet, build_net
from torchlgg.records import RunFolder

KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("log") / "log.txt")
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """A student that learns from a teacher by a balanced graph loss: all that a state must hold."""
    torch.manual_seed(0)
    teacher = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    net = build_net("small_cnn-3", num_classes=10, in_channels=1)
    SavedNet.describe("small_cnn-3", open_images("digits", limit=100).train).write(net, teacher)
    return [
        "distill", "--data", "digits", "--limit", 200, "--batch-size", 50, "--student",
        "small_cnn-2", "--loss", "gkd", "--gradient-ratio", "gkd=1", "--teacher-weights", teacher,
        "--crop-padding", 1, "--validation", 0.2,
    ]  # fmt: skip


def go_on(run: Path, words: list[object]) -> list[object]:
    """The command a person would type next."""
    if (run / "run.json").exists():
        return ["train", "--resume", run]
    return [*words, "--out", run]


def what_is_left(run: Path) -> tuple[object, ...]:
    """All that must not depend on whether the run was stopped."""
    opened = RunFolder.open(run)
    timed = {"seconds", "images_per_second", "part_seconds"}
    return (
        (run / "model.safetensors").read_bytes(),
        (run / "best.safetensors").read_bytes(),
        [{k: v for k, v in row.items() if k not in timed} for row in opened.metrics()],
        [(result.subject, result.measurements) for result in opened.results()],
        opened.info.status,
        sorted(path.name for path in run.iterdir()),
    )


def unbroken(nursery: Nursery, words: list[object], run: Path) -> tuple[object, ...]:
    assert nursery.run(*words, "--out", run, folder=run) == 0, nursery.log()
    return what_is_left(run)


def test_three_kills(nursery: Nursery, words: list[object], tmp_path: Path) -> None:
    words = [*words, "--epochs", 4]
    expected = unbroken(nursery, words, tmp_path / "unbroken")
    assert [row["epoch"] for row in expected[2]] == [1, 2, 3, 4]
    run = tmp_path / "run"
    for die_at in (16, 9, 14):
        assert nursery.run(*go_on(run, words), folder=run, die_at=die_at) == KILLED, nursery.log()
    assert RunFolder.open(run).info.status == "running"
    assert nursery.run(*go_on(run, words), folder=run) == 0, nursery.log()
    assert what_is_left(run) == expected
    assert len(RunFolder.open(run).info.resumed) == 3


@pytest.mark.long
def test_a_kill_before_each_change_of_the_folder(
    nursery: Nursery, words: list[object], tmp_path: Path
) -> None:
    words = [*words, "--epochs", 2]
    expected = unbroken(nursery, words, tmp_path / "unbroken")
    for die_at in range(1, 1000):
        run = tmp_path / str(die_at)
        code = nursery.run(*words, "--out", run, folder=run, die_at=die_at)
        if code == 0:
            break
        assert code == KILLED, nursery.log()
        finished = (run / "run.json").exists() and RunFolder.open(run).info.status == "finished"
        assert not finished
        assert nursery.run(*go_on(run, words), folder=run) == 0, nursery.log()
        assert what_is_left(run) == expected, die_at
    assert die_at > 20
    print(f"survived {die_at - 1} kills, one before each change of the folder")


@pytest.mark.long
def test_a_storm_of_kills(nursery: Nursery, words: list[object], tmp_path: Path) -> None:
    words = [*words, "--epochs", 60]
    expected = unbroken(nursery, words, tmp_path / "unbroken")
    chance = random.Random(3)
    kills, runs, run = 0, 1, tmp_path / "run1"
    while kills < 60:
        before = written(run)
        pid = nursery.start(*go_on(run, words), folder=run)
        if chance.random() < 0.8:  # once it trains, so that it gets on
            limit = time.monotonic() + 10
            while written(run) == before and time.monotonic() < limit:
                time.sleep(0.001)
        time.sleep(chance.uniform(0.0, 0.5))
        os.kill(pid, signal.SIGKILL)  # its process id stays its own, even if it is done already
        code = nursery.wait()
        kills += code == KILLED
        if code != KILLED:
            assert code == 0, nursery.log()
            assert what_is_left(run) == expected
            runs, run = runs + 1, tmp_path / f"run{runs + 1}"
    assert nursery.run(*go_on(run, words), folder=run) == 0, nursery.log()
    assert what_is_left(run) == expected
    print(f"survived {kills} kills in {runs} runs")


def written(run: Path) -> int:
    """When the state was last replaced."""
    state = run / "state.pt"
    return state.stat().st_mtime_ns if state.exists() else 0
