from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from tests.records.examples import result
from torchlgg.core import InputError
from torchlgg.records import Journal, RunFolder, find_runs
from torchlgg.records._lock import is_held

HOLD = (
    "import sys\n"
    "from torchlgg.records import RunFolder\n"
    "run = RunFolder.create(sys.argv[1], command='lgg train', config={})\n"
    "with run.locked():\n"
    "    print('at work', flush=True)\n"
    "    sys.stdin.read()\n"
)


@contextlib.contextmanager
def at_work(folder):
    """A process that holds a run of its own in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "at work\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def create(path, **changes):
    return RunFolder.create(path, **({"command": "lgg train", "config": {}} | changes))


def test_a_run_whose_process_was_killed_is_dead(tmp_path):
    with at_work(tmp_path / "run") as process:
        run = RunFolder.open(tmp_path / "run")
        assert (run.held, run.status, run.info.status) == (True, "running", "running")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (run.held, run.status, run.info.status) == (False, "dead", "running")


def test_a_run_that_said_how_it_ended_is_not_dead(tmp_path):
    run = create(tmp_path)
    for ending in ("finished", "failed", "interrupted"):
        run.finish(ending)
        assert run.status == ending


def test_a_run_that_ends_between_two_looks_is_not_dead(tmp_path, monkeypatch):
    run = create(tmp_path)

    def end(self):
        run.finish("finished")
        return False

    monkeypatch.setattr(RunFolder, "held", property(end))
    assert run.status == "finished"


def test_where_there_are_no_locks_nobody_is_called_dead(tmp_path, monkeypatch):
    run = create(tmp_path)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert (run.held, run.status) == (None, "running")
    with run.locked():
        pass


def test_a_look_does_not_keep_a_run_from_starting(tmp_path, monkeypatch):
    import fcntl

    run = create(tmp_path)
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)  # as is_held does
    monkeypatch.setattr("torchlgg.records._lock.time.sleep", lambda _: os.close(handle))
    with run.locked():
        assert is_held(tmp_path)


def test_remove_takes_everything_the_run_made_and_its_folder(tmp_path):
    run = create(tmp_path / "run")
    run.append_metrics({"epoch": 1})
    run.write_result(result())
    run.path("weights/a.bin").write_bytes(b"x")
    (tmp_path / "run" / ".0123456789abcdef.partial").write_bytes(b"left by a kill")
    run.remove()
    assert os.listdir(tmp_path) == []


def test_remove_touches_nothing_where_something_else_lies(tmp_path):
    run = create(tmp_path / "run")
    run.path("a.bin").write_bytes(b"x")
    (tmp_path / "run" / "notes.md").write_text("mine")
    with pytest.raises(InputError, match=r"cannot be removed: 'notes\.md' is there too"):
        run.remove()
    assert sorted(os.listdir(tmp_path / "run")) == ["a.bin", "notes.md", "run.json"]


def test_remove_leaves_a_run_at_work_alone(tmp_path):
    with (
        at_work(tmp_path / "run"),
        pytest.raises(InputError, match="another process is at work"),
    ):
        RunFolder.open(tmp_path / "run").remove()
    assert os.listdir(tmp_path / "run") == ["run.json"]


def test_runs_are_found_at_every_depth_but_not_through_links(tmp_path):
    for name in ("b", "a/deep/er", "a", ".hidden"):
        create(tmp_path / name) if name != "a" else None
    create(RunFolder.open(tmp_path / "b").path("inner"))
    (tmp_path / "link").symlink_to(tmp_path / "b")
    found = [str(run.relative_to(tmp_path)) for run in find_runs(tmp_path)]
    assert found == ["a/deep/er", "b", "b/inner"]
    assert find_runs(tmp_path / "b" / "inner") == [tmp_path / "b" / "inner"]
    assert find_runs(str(tmp_path / ".hidden")) == [tmp_path / ".hidden"]


def test_a_place_without_runs_is_a_sentence_or_empty(tmp_path):
    assert find_runs(tmp_path) == []
    with pytest.raises(InputError, match=r"must be a folder with runs: '.*absent' does not exist"):
        find_runs(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        find_runs(tmp_path / "file")


def test_a_configuration_that_differs_is_named(tmp_path):
    config = {"a": {"b": 1, "c": [1, 2]}, "d": None, "e": {}}
    info = create(tmp_path, config=config).info
    assert info.differences_from(config) == ()
    assert info.differences_from({"a": {"b": 1, "c": (1, 2)}, "d": None, "e": {}}) == ()
    other = {"a": {"b": 1.5, "c": [1, 3]}, "e": {"new": "x"}}
    assert info.differences_from(other) == (
        "a.b is 1 in the run and 1.5 now",
        "a.c is [1, 2] in the run and [1, 3] now",
        "d is null in the run and absent now",
        "e is {} in the run and absent now",
        'e.new is absent in the run and "x" now',
    )


def test_a_journal_needs_no_run(tmp_path):
    journal = Journal(tmp_path)
    journal.append_metrics({"epoch": 1})
    journal.write_result(result())
    assert journal.folder == tmp_path
    assert (journal.metrics(), journal.results()) == ([{"epoch": 1}], [result()])
    assert sorted(os.listdir(tmp_path)) == ["metrics.jsonl", "results.jsonl"]
