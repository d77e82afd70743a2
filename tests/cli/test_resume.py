"""``lgg distill --resume``, ``--time-budget``, signals and a full disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.faults import Nursery
from torchlgg.cli import _stop, _train
from torchlgg.core import InputError
from torchlgg.data import DataConfig, open_images
from torchlgg.nets import SavedNet, build_net, save_weights
from torchlgg.recipes import _train_run, from_plain, to_plain
from torchlgg.records import RunFolder
from torchlgg.training import TrainingState

WORDS = [
    "distill", "--data", "digits", "--limit", 200, "--batch-size", 50, "--student", "small_cnn-2",
    "--loss", "none", "--crop-padding", 1, "--validation", 0,
]  # fmt: skip

PAGE = 4096


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_stop, "time", clock)
    return clock


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Clock:
    """Each step takes ten seconds by the clock: an epoch of 4 takes 40."""
    check = _stop.TimeBudget.check

    def tick(budget: _stop.TimeBudget) -> None:
        clock.now += 10
        check(budget)

    monkeypatch.setattr(_stop.TimeBudget, "check", tick)
    return clock


def stop_after(monkeypatch: pytest.MonkeyPatch, epoch: int, what: BaseException) -> None:
    """The write of the state after this one raises."""
    write = TrainingState.write

    def stop(state: TrainingState, path: Path) -> None:
        if state.epoch > epoch:
            raise what
        write(state, path)

    monkeypatch.setattr(TrainingState, "write", stop)


def student(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def test_resumed_equals_unbroken(lgg, tmp_path, monkeypatch) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert lgg(*WORDS, "--epochs", 3, "--out", whole).code == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 2, InputError("cannot write 'state.pt': no space left on device"))
        done = lgg(*WORDS, "--epochs", 3, "--out", run)
    assert done.code == 2
    assert done.err == (
        "lgg: cannot write 'state.pt': no space left on device; then go on with "
        f"`lgg train --resume {run}`\n"
    )
    opened = RunFolder.open(run)
    assert opened.info.status == "failed"
    assert [row["epoch"] for row in opened.metrics()] == [1, 2]
    assert student(run) != student(whole)

    # a kill between the state and what follows from it: they are made anew
    opened.append_metrics({"epoch": 3, "terms": {"ce": 1.0}})
    save_weights(build_net("small_cnn-2", num_classes=10, in_channels=1), run / "model.safetensors")
    (run / ".0123456789abcdef.partial").write_bytes(b"half a file")
    done = lgg("distill", "--resume", run)
    assert done.code == 0, done.err
    assert "going on after epoch 2 of 3" in done.out
    assert "epoch 3/3" in done.out
    assert "epoch 2/3" not in done.out
    assert student(run) == student(whole)
    assert [row["epoch"] for row in opened.metrics()] == [1, 2, 3]
    assert opened.results()[-1].measurements == RunFolder.open(whole).results()[-1].measurements
    assert opened.info.status == "finished"
    assert len(opened.info.resumed) == 1
    assert sorted(path.name for path in run.iterdir()) == sorted(
        path.name for path in whole.iterdir()
    )

    again = lgg("distill", "--resume", run)
    assert again == (0, f"the run in {run} is finished: there is nothing to resume\n", "")
    assert len(opened.info.resumed) == 1


def test_a_run_without_a_whole_epoch_begins_anew(lgg, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 0, KeyboardInterrupt())
        assert lgg(*WORDS, "--epochs", 1, "--out", tmp_path / "run").code == 130
    assert lgg("distill", "--resume", tmp_path / "run").code == 0
    assert lgg(*WORDS, "--epochs", 1, "--out", tmp_path / "whole").code == 0
    assert student(tmp_path / "run") == student(tmp_path / "whole")


def test_sentences(lgg, tmp_path, monkeypatch) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 1, InputError("stop"))
        lgg(*WORDS, "--epochs", 2, "--out", run)
    before = {path: path.read_bytes() for path in run.iterdir()}

    def refused(*words: object) -> str:
        done = lgg("distill", *words)
        assert done.code == 2, done
        assert done.out == ""
        assert {path: path.read_bytes() for path in run.iterdir()} == before
        return done.err

    assert "`--epochs` cannot change when a run goes on by `--resume`" in refused(
        "--resume", run, "--epochs", 3
    )
    assert "`--flip` cannot change" in refused("--resume", run, "--no-flip")
    assert "`--data` says which images to train on; or go on" in refused("--loss", "none")
    assert "does not exist" in refused("--resume", tmp_path / "no")
    assert "`--time-budget` must be a number of seconds, minutes or hours" in refused(
        "--resume", run, "--time-budget", "9"
    )
    with RunFolder.open(run).locked():
        assert "another process is at work in" in refused("--resume", run)

    with monkeypatch.context() as patch:
        real = DataConfig.open

        def one_image_changed(*arguments, **options):
            splits = real(*arguments, **options)
            splits.train.images[0, 0, 0, 0] += 1
            return splits

        patch.setattr(DataConfig, "open", one_image_changed)
        assert "the training images are not the same as when the run was stopped" in refused(
            "--resume", run
        )
    other = RunFolder.create(tmp_path / "other", command="lgg demo", config={"epochs": 1})
    assert "is not a run of `lgg train` or `lgg distill`" in refused("--resume", other.folder)

    info = json.loads((run / "run.json").read_text())
    info["config"]["training"]["warmpu"] = 5
    (run / "run.json").write_text(json.dumps(info))
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert "`training.warmpu` is no setting; did you mean 'warmup'" in refused("--resume", run)
    del info["config"]["training"]["warmpu"]
    info["config"]["training"] |= {"epochs": 0}
    (run / "run.json").write_text(json.dumps(info))
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert "`epochs` must be at least 1, got 0" in refused("--resume", run)


def test_changed_versions_are_said_and_kept(lgg, tmp_path, monkeypatch) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 1, InputError("stop"))
        lgg(*WORDS, "--epochs", 2, "--out", run)
    info = json.loads((run / "run.json").read_text())
    now = info["environment"]["packages"]["torch"]
    info["environment"]["packages"]["torch"] = "2.6.0"
    (run / "run.json").write_text(json.dumps(info))
    done = lgg("distill", "--resume", run)
    assert done.code == 0
    change = f"torch was '2.6.0' and is {now!r}"
    assert f"since this run began, {change}: the weights may differ in rounding\n" in done.out
    assert RunFolder.open(run).info.resumed[0].changes == (change,)


def test_every_loss_comes_back_from_the_record(lgg, tmp_path, monkeypatch) -> None:
    path = tmp_path / "teacher.safetensors"
    net = build_net("small_cnn-3", num_classes=10, in_channels=1)
    saved = SavedNet.describe("small_cnn-3", open_images("digits", limit=100).train)
    saved.write(net, path)
    asked = []
    monkeypatch.setattr(_train, "train_one", lambda config, **rest: asked.append(config))
    losses = "hkd+dkd+dist+rkd+rkd-a+sp+pkt+cc+at+gkd"
    words = ["--loss", losses, "--teacher-weights", path, "--gradient-ratio", "gkd=0.5", "--k", 3]
    assert lgg(*WORDS, *words, "--student-taps", "stage1,pool").code == 0
    run = RunFolder.create(tmp_path / "run", command="lgg", config=to_plain(asked[0]))
    assert from_plain(run.info.config) == asked[0]


def test_a_budget_ends_between_epochs(lgg, tmp_path, ticking) -> None:
    run = tmp_path / "run"
    done = lgg(*WORDS, "--epochs", 9, "--out", run, "--time-budget", "1.5m")  # 3 steps are ticked
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == (
        "the time budget of 1.5m has no room for another epoch after epoch 3 of 9; what was done "
        f"is in {run}; go on with `lgg train --resume {run}`"
    )
    assert RunFolder.open(run).info.status == "interrupted"
    assert TrainingState.read(run / "state.pt").epoch == 3
    done = lgg("distill", "--resume", run, "--time-budget", "10m")
    assert done.code == 0
    assert RunFolder.open(run).info.status == "finished"


def test_a_budget_ends_in_the_middle_of_an_epoch(lgg, tmp_path, ticking) -> None:
    run = tmp_path / "run"
    done = lgg(*WORDS, "--epochs", 9, "--out", run, "--time-budget", "15 s")
    assert done.code == 0, done.err
    assert "the time budget of 15 s is over after epoch 0 of 9; what was done is" in done.out
    assert not (run / "state.pt").exists()


@pytest.mark.parametrize("words", ["9", "m", "-1m", "0s", "9 minutes", ""])
def test_times_that_are_none(words: str) -> None:
    with pytest.raises(InputError, match="such as 90s, 9m or 2h"):
        _stop.TimeBudget(words)


@pytest.mark.parametrize(("words", "seconds"), [("90s", 90), ("9m", 540), ("1.5h", 5400)])
def test_times(clock, words: str, seconds: float) -> None:
    budget = _stop.TimeBudget(words)
    clock.now += seconds
    budget.check()
    clock.now += 1
    with pytest.raises(_stop.OutOfTime):
        budget.check()


def test_a_signal_waits_for_the_write() -> None:
    signals = _stop.Signals()
    handlers = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]
    written = False

    def write() -> None:
        nonlocal written
        with signals.wait():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            written = True

    with signals.caught(), pytest.raises(_stop.Stopped) as stopped:
        write()
    assert written
    assert stopped.value.exit_code == 143
    assert [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("log") / "log.txt")
    yield nursery
    nursery.close()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_ends_a_run_that_can_be_resumed(nursery, tmp_path, number, code) -> None:
    run = tmp_path / "run"
    pid = nursery.start(*WORDS, "--epochs", 100_000, "--out", run, folder=run)
    metrics = run / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_text().count("\n") > 1):
        time.sleep(0.01)
    os.kill(pid, number)
    assert nursery.wait() == code, nursery.log()
    sentence = f"what was done is in {run}; go on with `lgg train --resume {run}`"
    assert f"lgg: interrupted; {sentence}\n" in nursery.log()
    opened = RunFolder.open(run)
    assert opened.info.status == "interrupted"
    state = TrainingState.read(run / "state.pt")
    assert [row["epoch"] for row in opened.metrics()] == list(range(1, state.epoch + 1))
    net = build_net("small_cnn-2", num_classes=10, in_channels=1)
    state.restore_student(net)
    saved = SavedNet.read(run / "model.safetensors")
    assert saved is not None
    saved.write(net, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == student(run)


def test_a_second_ctrl_c_kills() -> None:
    code = (
        "import signal, time\n"
        "from torchlgg.cli._stop import ended_by_signals\n"
        "with ended_by_signals():\n"
        "    try:\n"
        "        print('ready', flush=True); time.sleep(60)\n"
        "    finally:\n"
        "        print('stopping', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    for word in ("ready", "stopping"):
        assert process.stdout.readline() == f"{word}\n"
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == -signal.SIGINT
    process.stdout.close()


def test_a_file_that_finds_no_room(nursery, tmp_path) -> None:
    """What a full disk does, without one: the system cuts a file off beyond a size.

    The state grows by the report of each epoch.
    """
    run, whole = tmp_path / "run", tmp_path / "whole"
    words = [*WORDS, "--epochs", 12]
    assert nursery.run(*words, "--out", whole, folder=whole) == 0
    limit = (whole / "state.pt").stat().st_size - 600
    assert nursery.run(*words, "--out", run, folder=run, largest_file=limit) == 2, nursery.log()
    assert "lgg: cannot write" in nursery.log()
    assert f"then go on with `lgg train --resume {run}`" in nursery.log()
    assert "Traceback" not in nursery.log()
    opened = RunFolder.open(run)
    assert opened.info.status == "failed"
    assert 0 < TrainingState.read(run / "state.pt").epoch < 12
    assert nursery.run("distill", "--resume", run, folder=run) == 0, nursery.log()
    assert [row["epoch"] for row in opened.metrics()] == list(range(1, 13))
    assert student(run) == student(whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(nursery, small_disk, tmp_path) -> None:
    run, whole = small_disk / "run", tmp_path / "whole"
    words = [*WORDS, "--epochs", 30]
    assert nursery.run(*words, "--out", whole, folder=whole) == 0
    # room for the first epochs; the state and the metrics grow, and two states lie side by side
    pages = {path.name: -(-path.stat().st_size // PAGE) for path in whole.iterdir()}
    at_the_end = pages["results.jsonl"] + pages["card.md"] + pages["curves.svg"]
    room = sum(pages.values()) + pages["state.pt"] - at_the_end - 2
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    filling = small_disk / "filling"
    filling.write_bytes(bytes(free - room * PAGE))
    assert nursery.run(*words, "--out", run, folder=run) == 2, nursery.log()
    assert "no space left on device; free some space, or choose another disk; then go on" in (
        nursery.log()
    )
    assert "Traceback" not in nursery.log()
    filled = RunFolder.open(run)
    assert filled.info.status in ("running", "failed")  # there may be no room to say so
    assert 0 < TrainingState.read(run / "state.pt").epoch < 30
    assert nursery.run("distill", "--resume", run, folder=run) == 2, nursery.log()
    filling.unlink()
    assert nursery.run("distill", "--resume", run, folder=run) == 0, nursery.log()
    assert filled.info.status == "finished"
    assert student(run) == student(whole)
    assert [row["epoch"] for row in filled.metrics()] == list(range(1, 31))


def test_divergence_keeps_the_last_good_epoch(lgg, tmp_path, monkeypatch) -> None:
    run = tmp_path / "run"
    real = _train_run.fit

    def poisoned(objective, *arguments, **options):
        for report in real(objective, *arguments, **options):
            yield report
            objective.student.linear.weight.data.fill_(1e38)

    monkeypatch.setattr(_train_run, "fit", poisoned)
    done = lgg(*WORDS, "--epochs", 3, "--out", run)
    assert done.code == 2
    assert "lgg: training diverged: the term 'ce' is nan in step 1 of epoch 2" in done.err
    assert (
        f"the last good epoch is kept in {run}, whose settings are fixed: start a new" in done.err
    )
    assert RunFolder.open(run).info.status == "failed"
    assert TrainingState.read(run / "state.pt").epoch == 1
