"""A queue of runs: what is started, kept, resumed and left alone, whoever is killed meanwhile."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.cli.queued import PROGRAM, make_job
from torchlgg.cli import _queue
from torchlgg.cli._queue import queue_exit_code, run_queue, visible_gpus
from torchlgg.cli._stop import TimeBudget
from torchlgg.core import InputError
from torchlgg.records import RunFolder

PATIENCE = 60.0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(_queue, "_BEAT", 0.01)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, [Path("src").resolve()])))


def queued(jobs, *, parallel=2, **options):
    """The outcomes by name, and what was printed."""
    console = Console(file=io.StringIO(), width=200, highlight=False, soft_wrap=True)
    outcomes = run_queue(
        jobs, parallel=parallel, console=console, go_on="lgg again", program=PROGRAM, **options
    )
    assert [outcome.job for outcome in outcomes] == list(jobs)
    return {outcome.job.name: outcome for outcome in outcomes}, console.file.getvalue()


def notes(folder):
    """What each process of a run said of itself."""
    path = folder.with_name(f"{folder.name}.pids")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def modes(folder):
    return [note["mode"] for note in notes(folder)]


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def queue_process(parallel, jobs) -> Iterator[subprocess.Popen]:
    """A queue in a process of its own, which can be killed."""
    words = [f"{folder}={plan}" for folder, plan in jobs.items()]
    process = subprocess.Popen(
        [*PROGRAM, "queue", str(parallel), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        for folder in jobs:
            for note in notes(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(note["pid"], signal.SIGKILL)


def hangs(folder):
    """The run has begun, and waits."""
    return folder.exists() and (folder / "metrics.jsonl").exists()


def test_every_job_is_run_and_asked_again_all_are_kept(tmp_path):
    jobs = [make_job(tmp_path / "runs" / name, "finish") for name in "abc"]
    outcomes, text = queued(jobs)
    assert [outcome.status for outcome in outcomes.values()] == ["finished"] * 3
    assert queue_exit_code(list(outcomes.values())) == 0
    for job in jobs:
        assert RunFolder.open(job.folder).status == "finished"
        assert job.log.read_text() == f"start of {job.name}\n"
        assert f"{job.name}: started; its output is {job.log}\n" in text
        assert f"{job.name}: finished, epoch 4/4, validation error 12.50 %\n" in text
    assert "go on with" not in text
    assert "\x1b" not in text  # plain lines, as there is no terminal

    outcomes, text = queued(jobs)
    assert [outcome.status for outcome in outcomes.values()] == ["kept"] * 3
    assert "a: finished before, kept, epoch 4/4" in text
    assert [modes(job.folder) for job in jobs] == [["start"]] * 3


def test_one_that_fails_does_not_stop_the_others_nor_is_it_tried_again(tmp_path):
    plans = {"bad": "bad", "crash": "crash", "good": "finish"}
    jobs = [make_job(tmp_path / name, plan) for name, plan in plans.items()]
    outcomes, text = queued(jobs, parallel=1)
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "bad": "failed",
        "crash": "failed",
        "good": "finished",
    }
    assert outcomes["bad"].reason == "exit 2; lgg: `--epochs` must be at least 1, got 0"
    assert outcomes["crash"].reason == "exit 1; ZeroDivisionError: the loss"
    assert queue_exit_code(list(outcomes.values())) == 1
    assert [len(notes(job.folder)) for job in jobs] == [1, 1, 1]
    assert text.endswith("1 of 3 runs are finished, 2 failed; go on with `lgg again`\n")


def test_a_killed_one_is_resumed_once(tmp_path):
    jobs = [make_job(tmp_path / name, name) for name in ("die-once", "die", "early", "finish")]
    outcomes, text = queued(jobs)
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "die-once": "finished",
        "die": "failed",
        "early": "finished",
        "finish": "finished",
    }
    assert outcomes["die"].reason == "killed again, by SIGKILL; so far so good"
    assert modes(tmp_path / "die-once") == ["start", "resume"]
    assert modes(tmp_path / "die") == ["start", "resume"]
    assert modes(tmp_path / "early") == ["start", "start"]
    assert [row["epoch"] for row in RunFolder.open(tmp_path / "die-once").metrics()] == [1, 2, 3, 4]
    assert (tmp_path / "die-once.log").read_text().endswith("good\nresume of die-once\n")
    assert "die: killed by SIGKILL, will be resumed\n" in text


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs waitid")
def test_what_a_killed_one_leaves_behind_is_ended_before_it_is_resumed(tmp_path):
    outcomes, _ = queued([make_job(tmp_path / "a", "orphan")])
    assert outcomes["a"].status == "finished"
    assert modes(tmp_path / "a") == ["start", "resume"]


def test_a_run_that_was_stopped_is_resumed_and_one_of_another_process_is_left_alone(tmp_path):
    for name in ("stopped", "elsewhere", "dead"):
        run = RunFolder.create(tmp_path / name, command="lgg train", config={})
        if name == "stopped":
            run.finish("interrupted")
    jobs = [make_job(tmp_path / name, "finish") for name in ("stopped", "elsewhere", "dead")]
    with RunFolder.open(tmp_path / "elsewhere").locked():
        outcomes, text = queued(jobs)
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "stopped": "finished",
        "elsewhere": "busy",
        "dead": "finished",
    }
    assert [modes(job.folder) for job in jobs] == [["resume"], [], ["resume"]]
    assert "elsewhere: left alone: another process is at work on it\n" in text
    assert queue_exit_code(list(outcomes.values())) == 0


def test_at_most_so_many_run_at_once_with_their_share_of_threads_and_gpus(tmp_path, monkeypatch):
    monkeypatch.setattr(_queue, "_processors", lambda: 7)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    jobs = [make_job(tmp_path / str(i), "finish") for i in range(7)]
    queued(jobs, parallel=3, gpus=["GPU-a", "GPU-b"])
    found = [notes(job.folder)[0] for job in jobs]
    assert {note["threads"] for note in found} == {"2"}
    assert {note["gpu"] for note in found} == {"GPU-a", "GPU-b"}
    assert [note["gpu"] for note in found[:3]] == ["GPU-a", "GPU-b", "GPU-a"]

    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    job = make_job(tmp_path / "own", "finish")
    queued([job], parallel=99)
    assert notes(job.folder)[0]["threads"] == "5"
    assert notes(job.folder)[0]["gpu"] is None


def test_slots_bound_what_runs_at_once(tmp_path, monkeypatch):
    most = 0

    class Child(_queue.Child):
        alive = 0

        def __init__(self, *arguments, **options):
            nonlocal most
            super().__init__(*arguments, **options)
            Child.alive += 1
            most = max(most, Child.alive)

        def poll(self):
            code = super().poll()
            Child.alive -= code is not None
            return code

    monkeypatch.setattr(_queue, "Child", Child)
    queued([make_job(tmp_path / str(i), "finish") for i in range(5)], parallel=2)
    assert most == 2


def test_the_time_that_is_left_is_told_and_none_is_started_after_it(tmp_path, monkeypatch):
    budget = TimeBudget("90s")
    monkeypatch.setattr(TimeBudget, "remaining", property(lambda self: 41.7))
    outcomes, text = queued([make_job(tmp_path / "late", "late")], budget=budget)
    assert notes(tmp_path / "late")[0]["words"] == ["--time-budget", "42s"]
    assert outcomes["late"].status == "interrupted"
    assert outcomes["late"].reason == "the time budget of 9s is over"
    assert "late: interrupted, epoch 1/4, validation error 25.00 %: the time budget" in text
    monkeypatch.setattr(TimeBudget, "remaining", property(lambda self: -1.0))
    outcomes, text = queued([make_job(tmp_path / "later", "finish")], budget=budget)
    assert (outcomes["later"].status, outcomes["later"].exit_code) == ("waiting", 0)
    assert "later: not started: the time budget is over\n" in text
    assert notes(tmp_path / "later") == []
    assert text.endswith("0 of 1 runs are finished, 1 not started; go on with `lgg again`\n")


def test_the_budget_counts_down():
    assert TimeBudget(None).remaining == float("inf")
    assert 0 < TimeBudget("9m").remaining <= 540


def test_what_cannot_be_asked_for_is_refused_before_anything_starts(tmp_path):
    good = make_job(tmp_path / "good", "finish")
    run = RunFolder.create(tmp_path / "other", command="lgg train", config={"a": 1, "b": 2})
    run.finish("finished")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.md").write_text("mine")
    other = make_job(tmp_path / "other", "finish", config={"a": 2, "b": 3})
    for jobs, parallel, sentence in [
        ([good], 0, "`--jobs` must be at least 1, got 0"),
        ([good, make_job(tmp_path / "x" / ".." / "good", "finish")], 1, "have the folder"),
        ([good, other], 1, r"holds another run than is asked for: a is 1 .* \(and 1 more\)"),
        ([good, make_job(tmp_path / "foreign", "finish")], 1, "not a run of torchlgg"),
    ]:
        with pytest.raises(InputError, match=sentence):
            queued(jobs, parallel=parallel)
    assert notes(good.folder) == []
    same = make_job(tmp_path / "other", "finish", config={"a": 1, "b": 2})
    assert queued([same])[0]["other"].status == "kept"


def test_no_jobs_are_no_outcomes():
    assert queued([]) == ({}, "")


def test_a_terminal_shows_how_far_each_is(tmp_path):
    console = Console(file=io.StringIO(), width=120, force_terminal=True, highlight=False)
    screen = _queue.QueueScreen(console)
    job = make_job(tmp_path / "a", "finish")
    with screen.shown():
        screen.began(job, resumed=False)
        run = RunFolder.create(job.folder, command="lgg train", config={})
        run.append_metrics({"epoch": 3, "validation_error": None})
        screen.look([job])
        screen._progress.refresh()
        run.append_metrics({"epoch": 4, "validation_error": 0.125})
        screen.look([job])
        screen._progress.refresh()
    text = console.file.getvalue()
    assert "epoch 3/4" in text
    assert "epoch 4/4, validation error 12.50 %" in text


def test_long_runs_are_a_line_each_tenth_without_a_terminal(tmp_path):
    console = Console(file=io.StringIO(), width=120, highlight=False)
    screen = _queue.QueueScreen(console)
    job = make_job(tmp_path / "a", "finish", epochs=200)
    run = RunFolder.create(job.folder, command="lgg train", config={})
    screen.began(job, resumed=False)
    for epoch in range(1, 201):
        run.append_metrics({"epoch": epoch})
        screen.look([job])
    lines = console.file.getvalue().splitlines()[1:]
    assert lines == [f"a: epoch {epoch}/200" for epoch in range(20, 201, 20)]


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_running_ones_save_and_starts_no_other(tmp_path, kind, code):
    jobs = {tmp_path / "a": "hang", tmp_path / "b": "hang", tmp_path / "c": "finish"}
    with queue_process(2, jobs) as process:
        wait_for(lambda: all(hangs(tmp_path / name) for name in "ab"))
        process.send_signal(kind)
        text, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code
    for name in "ab":
        assert RunFolder.open(tmp_path / name).info.status == "interrupted"
        assert f"{name}: interrupted, epoch 1/4" in text
    assert notes(tmp_path / "c") == []
    assert f"{kind.name}: waiting for 2 running jobs to save their state" in text
    assert text.endswith(
        "0 of 3 runs are finished, 2 interrupted, 1 not started; go on with `lgg train again`\n"
    )


def test_a_second_interrupt_kills_those_that_do_not_listen(tmp_path):
    with queue_process(1, {tmp_path / "a": "deaf"}) as process:
        wait_for(lambda: hangs(tmp_path / "a"))
        process.send_signal(signal.SIGTERM)
        line = ""
        while "waiting for 1" not in line:
            line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)  # as `timeout` does
        process.send_signal(signal.SIGINT)
        text = process.stdout.read()
        assert process.wait(timeout=PATIENCE) == 143
    assert "a: interrupted" in text
    assert RunFolder.open(tmp_path / "a").status == "dead"


def test_only_an_interrupt_after_the_first_signal_kills():
    stops = _queue._Stops()
    for number in (signal.SIGTERM, signal.SIGTERM):  # as `timeout` sends it
        stops._on_signal(number, None)
        assert (stops.first, stops.killing) == (signal.SIGTERM, False)
    stops._on_signal(signal.SIGINT, None)
    assert (stops.first, stops.killing) == (signal.SIGTERM, True)


def test_a_child_that_is_killed_from_outside_is_resumed_and_one_that_is_asked_to_end_is_not(
    tmp_path,
):
    jobs = {tmp_path / "a": "hang-once", tmp_path / "b": "hang-once"}
    with queue_process(2, jobs) as process:
        wait_for(lambda: all(hangs(folder) for folder in jobs))
        os.kill(notes(tmp_path / "a")[0]["pid"], signal.SIGKILL)
        os.kill(notes(tmp_path / "b")[0]["pid"], signal.SIGTERM)
        text, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    assert (modes(tmp_path / "a"), modes(tmp_path / "b")) == (["start", "resume"], ["start"])
    assert "a: finished" in text
    assert "b: interrupted, epoch 1/4, validation error 25.00 %: its process was asked to" in text


def test_a_killed_queue_leaves_its_processes_and_asking_again_leaves_them_alone(tmp_path):
    jobs = {tmp_path / "a": "hang-once"}
    with queue_process(1, jobs) as process:
        wait_for(lambda: hangs(tmp_path / "a"))
        process.kill()
        process.wait()
        job = make_job(tmp_path / "a", "hang-once")
        outcomes, _ = queued([job])
        assert outcomes["a"].status == "busy"
        # even where there is no run folder yet, as while a process still imports torch
        (tmp_path / "a" / "run.json").rename(tmp_path / "a" / ".run.json")
        assert job.settled() is None
        with pytest.raises(BlockingIOError):
            _queue.Child(job, PROGRAM, environment=os.environ, slot=0)
        (tmp_path / "a" / ".run.json").rename(tmp_path / "a" / "run.json")
        assert modes(job.folder) == ["start"]

        pid = notes(job.folder)[0]["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: RunFolder.open(job.folder).status == "dead")
        outcomes, _ = queued([job])
        assert outcomes["a"].status == "finished"
        assert modes(job.folder) == ["start", "resume"]


def test_no_gpu_is_a_sentence(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="`--jobs-per-gpu` needs a GPU"):
        visible_gpus()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-x,3,-1,2")
    assert visible_gpus() == ["GPU-x", "3"]


def test_the_queue_loads_no_torch():
    script = "import sys, torchlgg.cli._queue; print('torch' in sys.modules, end='')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "False", done.stderr
