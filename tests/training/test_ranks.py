"""Several processes train one network as one process would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import rank_jobs
from tests.training.making import assert_close
from torchlgg.core import InputError
from torchlgg.data import random_crop_flip
from torchlgg.nets import open_net
from torchlgg.records import RunFolder
from torchlgg.training import Ranks, TrainingState, launched_ranks

Answers = list[dict[str, Any]]


@pytest.fixture(scope="module", params=[2, 3], ids=lambda world: f"{world} ranks")
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return rank_jobs.run(request.param, tmp_path_factory.mktemp("ranks"))


def test_they_end_in_the_weights_of_one_process(found: Answers) -> None:
    expected = rank_jobs.distilled()
    assert expected["seen"] == 33
    for answer in (answer["distilled"] for answer in found):
        assert_close(answer["weights"], expected["weights"], rtol=1e-10, atol=1e-12)
        assert answer["terms"] == pytest.approx(expected["terms"], rel=1e-10)
        assert answer["shares"] == pytest.approx(expected["shares"], rel=1e-5)
        assert answer["error"] == expected["error"]
    assert found[0]["distilled"]["seen"] == -(-33 // len(found))
    assert sum(answer["distilled"]["seen"] for answer in found) == 33


def test_with_half_precision_parts_and_an_average(found: Answers) -> None:
    expected = rank_jobs.with_everything()
    for answer in (answer["with_everything"] for answer in found):
        assert_close(answer["weights"], expected["weights"], rtol=0.05, atol=0.02)
        assert_close(answer["weights"], found[0]["with_everything"]["weights"], rtol=0, atol=0)
        assert answer["terms"] == pytest.approx(expected["terms"], rel=0.05)


def test_with_a_teacher_whose_outputs_are_kept(found: Answers) -> None:
    expected = rank_jobs.kept_teacher()["weights"]
    for answer in found:
        assert_close(answer["kept_teacher"]["weights"], expected, rtol=1e-4, atol=1e-6)


def test_a_batch_that_leaves_a_rank_without_rows_is_left_out(found: Answers) -> None:
    assert rank_jobs.left_over()["steps"] == 2  # one image is too few for any loss
    assert {answer["left_over"]["steps"] for answer in found} == {2}


def test_they_go_on_bit_for_bit(found: Answers) -> None:
    first = found[0]["resumed"]
    assert_close(first["resumed"], first["unbroken"], rtol=0, atol=0)
    assert_close(first["again"], first["generators"], rtol=0, atol=0)
    ranks = {"cpu", *(f"cpu of rank {rank}" for rank in range(1, len(found)))}
    assert set(first["generators"]) == {"order", *ranks}
    assert not torch.equal(first["generators"]["cpu"], first["generators"]["cpu of rank 1"])
    for answer in found[1:]:
        for name in ("unbroken", "resumed", "batch norm"):
            assert_close(answer["resumed"][name], first[name], rtol=0, atol=0)


def test_all_stop_where_one_does(found: Answers) -> None:
    diverged = {answer["diverged"]["sentence"] for answer in found}
    assert diverged == {
        "DivergedError: training diverged: the term 'ce' is nan in step 3 of epoch 1; lower the "
        "learning rate or the weight of that term"
    }
    sentences = [answer["stopped"]["sentence"] for answer in found]
    assert sentences[:-1] == ["StoppedElsewhere: another rank stopped"] * (len(found) - 1)
    assert sentences[-1] == "TimeoutError: no time is left"


def test_a_batch_must_have_an_example_for_each(found: Answers) -> None:
    for answer in found:
        fits = len(found) <= 2
        assert ("at least 3 examples" in answer["too_small"]["sentence"]) != fits


def test_all_begin_with_the_weights_of_the_first(found: Answers) -> None:
    for answer in found:
        assert_close(
            answer["other_weights"]["weights"],
            found[0]["other_weights"]["weights"],
            rtol=0,
            atol=0,
        )


@pytest.mark.parametrize(("examples", "count"), [(8, 3), (7, 2), (3, 3), (1, 1), (100, 7)])
def test_rows_are_in_rank_order_and_none_is_left(examples: int, count: int) -> None:
    rows = [Ranks(rank=rank, count=count).rows(examples) for rank in range(count)]
    assert [place for part in rows for place in range(examples)[part]] == list(range(examples))
    sizes = [part.stop - part.start for part in rows]
    assert max(sizes) - min(sizes) <= 1


def test_crops_of_a_part_are_those_of_the_batch() -> None:
    images = torch.randint(256, (7, 1, 5, 5), generator=torch.Generator().manual_seed(3)).byte()
    whole = random_crop_flip(images, padding=2, generator=torch.Generator().manual_seed(1))
    order = torch.Generator().manual_seed(1)
    part = random_crop_flip(images[3:5], padding=2, generator=order, rows=(3, 7))
    assert torch.equal(part, whole[3:5])
    again = torch.Generator().manual_seed(1)
    random_crop_flip(images, padding=2, generator=again)
    assert torch.equal(order.get_state(), again.get_state())


def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with launched_ranks("auto") as ranks:
        assert ranks == Ranks()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(InputError, match=r"each of several processes has a device of its own"),
        launched_ranks("cuda:1"),
    ):
        pass
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(InputError, match="do not find each other: start them by torchrun"),
        launched_ranks("cpu"),
    ):
        pass


# ---------------------------------------------------------------------------------- the command


def torchrun(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            "-m", "torchlgg", *map(str, words),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_the_command_is_stopped_and_goes_on(tmp_path: Path) -> None:
    """By a signal, then by a time budget; one process keeps the run and speaks."""
    run = tmp_path / "run"
    process = torchrun(
        "train", "fast/classify", "--data", "digits", "--out", run,
        *(word for setting in (
            "data.limit=200", "net.name=small_cnn-2", "training.epochs=40",
            "training.crop_padding=1", "training.batch_size=50", "engine.device=cpu",
            "engine.ema=0.9",
        ) for word in ("--set", setting)),
    )  # fmt: skip
    limit = time.monotonic() + 90
    while not (run / "state.pt").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, problems = process.communicate(timeout=60)
    assert process.returncode != 0
    assert problems.count("Traceback") == 1, problems  # of torchrun, which always shows one
    assert problems.count("interrupted; what was done is in") == 1
    assert RunFolder.open(run).info.status == "interrupted"
    process = torchrun("train", "--resume", run, "--time-budget", "0.01s")
    said, problems = process.communicate(timeout=120)
    assert process.returncode == 0, problems
    assert said.count("the time budget of 0.01s is over") == 1
    assert RunFolder.open(run).info.status == "interrupted"
    process = torchrun("train", "--resume", run)
    said, problems = process.communicate(timeout=120)
    assert process.returncode == 0, problems
    assert said.count("epoch 40/40") == said.count("going on after epoch") == 1
    opened = RunFolder.open(run)
    assert opened.info.status == "finished"
    assert [row["epoch"] for row in opened.metrics()] == list(range(1, 41))
    state = TrainingState.read(run / "state.pt")
    assert "cpu of rank 1" in state.generators
    net = open_net(run / "model.safetensors")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state.restore_network(net)
    assert_close(net.state_dict(), before, rtol=0, atol=0)
    assert state.average is not None
