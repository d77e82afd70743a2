from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.records.examples import result
from torchlgg.core import InputError
from torchlgg.records import RunFolder, source_commit
from torchlgg.records._folder import entries_to_replace


@dataclass(frozen=True)
class Spec:
    k: int | None = None
    taps: tuple[str, ...] = ("layer1", "layer2")


def create(path, **changes):
    return RunFolder.create(path, **({"command": "lgg demo", "config": {"epochs": 2}} | changes))


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


# Creating


def test_run_json_says_everything(tmp_path):
    config = {"lr": 0.1, "spec": Spec(k=5), "out": tmp_path, "size": np.int64(3), "none": None}
    run = create(tmp_path / "run", config=config, seeds=[3, 4], gpus=["a card"])
    found = json.loads((tmp_path / "run" / "run.json").read_text())
    assert found["format"] == "torchlgg run"
    assert found["version"] == 1
    assert found["command"] == "lgg demo"
    assert found["status"] == "running"
    assert found["ended"] is None
    assert found["seeds"] == [3, 4]
    assert found["commit"] == source_commit()
    assert found["environment"]["gpus"] == ["a card"]
    assert found["config"] == {
        "lr": 0.1,
        "spec": {"k": 5, "taps": ["layer1", "layer2"]},
        "out": str(tmp_path),
        "size": 3,
        "none": None,
    }
    assert found["created"].endswith("+00:00")
    assert run.info.to_json() == json.dumps(found, separators=(",", ":"))


def test_a_folder_is_made_with_its_parents_and_an_empty_one_is_taken(tmp_path):
    create(tmp_path / "a" / "b" / "c")
    assert os.listdir(tmp_path / "a" / "b" / "c") == ["run.json"]
    (tmp_path / "empty").mkdir()
    create(tmp_path / "empty")
    assert os.listdir(tmp_path / "empty") == ["run.json"]


def test_a_run_stays_where_it_is_when_the_process_moves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = create("run")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    run.append_metrics({"epoch": 1})
    assert RunFolder.open(tmp_path / "run").metrics() == [{"epoch": 1}]


def test_a_run_is_not_overwritten_unasked(tmp_path):
    create(tmp_path / "run").append_metrics({"epoch": 1})
    before = content(tmp_path)
    with pytest.raises(InputError, match=r"holds the run of 2.*another folder or pass --overwrite"):
        create(tmp_path / "run")
    assert content(tmp_path) == before


def test_overwrite_removes_what_the_run_made_and_nothing_stays(tmp_path):
    old = create(tmp_path / "run", command="old")
    old.append_metrics({"epoch": 1})
    old.write_result(result())
    old.path("students/gkd.safetensors").write_bytes(b"x")
    old.path("students/deep/er/a").write_bytes(b"x")
    old.write_json("summary.json", {"a": 1})
    (tmp_path / "run" / ".0123456789abcdef.partial").write_bytes(b"left by a kill")
    new = create(tmp_path / "run", command="new", overwrite=True)
    assert os.listdir(tmp_path / "run") == ["run.json"]
    assert new.info.command == "new"
    assert new.info.entries == ()
    assert new.metrics() == []
    assert new.results() == []


def test_overwrite_makes_a_folder_that_is_absent(tmp_path):
    assert create(tmp_path / "run", overwrite=True).info.status == "running"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("years")
    before = content(tmp_path)
    with pytest.raises(InputError, match="files that are not a run of torchlgg; choose another"):
        create(tmp_path, overwrite=overwrite)
    assert content(tmp_path) == before


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"format": "another", "version": 1}'])
def test_a_run_json_of_somebody_else_marks_nothing(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"not written by torchlgg|damaged"):
        create(tmp_path, overwrite=True)
    assert content(tmp_path) == {"run.json": text.encode()}


def test_overwrite_refuses_what_somebody_put_into_the_run(tmp_path):
    run = create(tmp_path / "run")
    run.append_metrics({"epoch": 1})
    (tmp_path / "run" / "notes.md").write_text("mine")
    before = content(tmp_path)
    with pytest.raises(InputError, match=r"holds 'notes\.md', which the run there did not make"):
        create(tmp_path / "run", overwrite=True)
    assert content(tmp_path) == before


def test_a_file_that_was_there_before_the_run_asked_for_it_stays_foreign(tmp_path):
    run = create(tmp_path / "run")
    (tmp_path / "run" / "notes.md").write_text("mine")
    (tmp_path / "run" / "data").mkdir()
    run.path("notes.md")
    run.path("data/more.bin")
    assert run.info.entries == ()
    with pytest.raises(InputError, match="holds 'data', which"):
        create(tmp_path / "run", overwrite=True)


@pytest.mark.parametrize("path", ["/", str(Path.home())])
def test_the_root_and_the_home_are_refused(path):
    # asked of the step that only looks: a test must not be able to empty either
    with pytest.raises(InputError, match="choose another folder"):
        entries_to_replace(Path(path), overwrite=True)


def test_a_manipulated_run_json_cannot_make_overwrite_leave_the_folder(tmp_path):
    create(tmp_path / "run")
    (tmp_path / "precious").write_text("x")
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    for entry in ("../precious", "..", ".", "", "/", "a/b"):
        info["entries"] = [entry]
        (tmp_path / "run" / "run.json").write_text(json.dumps(info))
        with pytest.raises(InputError, match="must be the name of one file or folder"):
            create(tmp_path / "run", overwrite=True)
    assert (tmp_path / "precious").exists()


def test_overwrite_removes_a_link_and_not_what_it_points_to(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "image").write_text("x")
    run = create(tmp_path / "run")
    run.path("data").symlink_to(tmp_path / "data")
    create(tmp_path / "run", overwrite=True)
    assert not (tmp_path / "run" / "data").exists()
    assert (tmp_path / "data" / "image").exists()


def test_a_file_in_the_way_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"must be a folder: '.*file' is a file"):
        create(tmp_path / "file")
    with pytest.raises(InputError, match=r"cannot make the folder '.*file/run': "):
        create(tmp_path / "file" / "run")
    assert content(tmp_path) == {"file": b"x"}


@pytest.mark.parametrize("name", ["a\0b", "a" * 300])
def test_a_name_no_system_takes_is_a_sentence(tmp_path, name):
    with pytest.raises(InputError, match="cannot"):
        create(f"{tmp_path}/sub/{name}")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, where none may write")
def test_an_unwritable_place_is_a_sentence():
    with pytest.raises(InputError, match=r"cannot make the folder '/proc/run/a'.*; choose a place"):
        create("/proc/run/a")


def test_a_full_disk_leaves_no_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="no space left on device; free some space"):
        create(tmp_path / "a" / "b")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_refuses_the_new_run_keeps_the_old_one(tmp_path, monkeypatch):
    create(tmp_path / "run").append_metrics({"epoch": 1})
    before = content(tmp_path)
    make = os.open

    def refuse(path, flags, *rest):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system")
        return make(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match="read-only file system"):
        create(tmp_path / "run", overwrite=True)
    assert content(tmp_path) == before


def test_a_configuration_json_cannot_hold_is_refused_before_anything_is_made(tmp_path):
    cases = [
        ({"net": {"layers": [1, object()]}}, r"`config\.net\.layers\.1` must be made of .* object"),
        ({"lr": float("nan")}, r"`config\.lr` must be a finite number .* got nan"),
        ({"taps": {1: "a"}}, r"`config\.taps` must have names as keys .* got the key 1"),
    ]
    for config, sentence in cases:
        with pytest.raises(InputError, match=sentence):
            create(tmp_path / "run", config=config)
    assert os.listdir(tmp_path) == []


# Opening


def test_what_is_no_run_is_not_opened(tmp_path):
    (tmp_path / "file").write_text("x")
    for name, sentence in [
        ("absent", "'.*absent' does not exist"),
        ("file", "'.*file' is a file"),
        (".", "holds no run.json"),
        ("a\0b", "embedded null|does not exist"),
    ]:
        with pytest.raises(InputError, match=sentence):
            RunFolder.open(f"{tmp_path}/{name}")


def test_a_run_of_a_newer_version_asks_for_an_update(tmp_path):
    create(tmp_path)
    info = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(info | {"version": 2, "more": 1}))
    with pytest.raises(InputError, match=r"newer torchlgg: it has version 2 .* up to 1; update"):
        RunFolder.open(tmp_path)


def test_a_damaged_run_json_is_a_sentence(tmp_path):
    create(tmp_path)
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(text[:-20])
    with pytest.raises(InputError, match=r"run\.json' is damaged, it is not valid JSON"):
        RunFolder.open(tmp_path)
    (tmp_path / "run.json").write_text(text.replace('"status"', '"statsu"'))
    with pytest.raises(
        InputError, match=r"is damaged: RunInfo has no field 'statsu'; did you mean"
    ):
        RunFolder.open(tmp_path)


# Metrics and results


def test_metrics_come_back_in_order_and_across_openings(tmp_path):
    run = create(tmp_path)
    rows = [{"epoch": i, "loss": 1 / 3 + i, "taps": {"a": [1, 2.5]}, "name": "é"} for i in range(3)]
    for row in rows[:2]:
        run.append_metrics(row)
    RunFolder.open(tmp_path).append_metrics(rows[2])
    assert run.metrics() == rows


def test_no_metrics_yet_is_no_rows(tmp_path):
    assert create(tmp_path).metrics() == []
    assert RunFolder.open(tmp_path).results() == []


def test_a_run_that_diverges_is_recorded(tmp_path):
    run = create(tmp_path)
    run.append_metrics({"loss": float("nan"), "norm": np.float32("inf"), "lr": np.float32(0.5)})
    assert run.metrics() == [{"loss": None, "norm": None, "lr": 0.5}]


def test_a_metric_json_cannot_hold_is_refused_and_writes_nothing(tmp_path):
    run = create(tmp_path)
    with pytest.raises(InputError, match=r"`row\.loss` must be made of numbers.*got complex"):
        run.append_metrics({"epoch": 1, "loss": 1j})
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_torn_last_line_is_dropped_and_the_next_line_is_whole(tmp_path):
    run = create(tmp_path)
    for epoch in (1, 2):
        run.append_metrics({"epoch": epoch})
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    for cut in range(1, len('{"epoch": 2}\n') + 1):
        (tmp_path / "metrics.jsonl").write_bytes(whole[:-cut])
        assert run.metrics() == [{"epoch": 1}]
        run.append_metrics({"epoch": 3})
        assert run.metrics() == [{"epoch": 1}, {"epoch": 3}]


def test_a_damaged_line_in_the_middle_is_not_skipped(tmp_path):
    run = create(tmp_path)
    for text in ('{"a": 1}\n{"a": \n{"a": 3}\n', '{"a": 1}\n7\n{"a": 3}\n'):
        (tmp_path / "metrics.jsonl").write_text(text)
        with pytest.raises(InputError, match=r"line 2 of .*metrics\.jsonl' must be a JSON object"):
            run.metrics()


def test_a_file_that_is_no_text_is_a_sentence(tmp_path):
    run = create(tmp_path)
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(InputError, match=r"cannot read '.*metrics\.jsonl'"):
        run.metrics()


def test_metrics_survive_a_kill(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from torchlgg.records import RunFolder\n"
        "run = RunFolder.create(sys.argv[1], command='x', config={})\n"
        "run.append_metrics({'epoch': 1})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], check=False)
    assert done.returncode == -9
    run = RunFolder.open(tmp_path / "run")
    assert run.metrics() == [{"epoch": 1}]
    assert run.info.status == "running"


def test_results_come_back_equal(tmp_path):
    run = create(tmp_path)
    both = [result(), result(subject="student", tags={"text": "line\u2028separator"})]
    for one in both:
        run.write_result(one)
    assert RunFolder.open(tmp_path).results() == both


def test_what_is_no_result_is_refused(tmp_path):
    with pytest.raises(InputError, match="`result` must be a Result, got dict"):
        create(tmp_path).write_result({"task": "x"})


def test_a_damaged_result_names_its_line(tmp_path):
    run = create(tmp_path)
    run.write_result(result())
    with open(tmp_path / "results.jsonl", "a") as file:
        file.write(result().to_json().replace('"subject"', '"subjcet"') + "\n")
    with pytest.raises(InputError, match=r"line 2 of .* is damaged: Result has no field 'subjcet'"):
        run.results()


# Files of the run's own


def test_path_makes_the_folders_above(tmp_path):
    run = create(tmp_path / "run")
    path = run.path("students/seed3/gkd.safetensors")
    assert path == tmp_path / "run" / "students" / "seed3" / "gkd.safetensors"
    assert path.parent.is_dir()
    assert not path.exists()
    assert run.info.entries == ("students",)


def test_path_notes_each_entry_once_and_never_the_folders_own(tmp_path):
    run = create(tmp_path)
    for name in ("a.bin", "b/c", "b/d", "metrics.jsonl", "run.json", "results.jsonl", "./a.bin"):
        run.path(name)
    assert run.info.entries == ("a.bin", "b")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/../../x", "a/../b", "/etc/passwd", "a\\..\\x", "a\0", "//x"]
)
def test_a_path_stays_inside(tmp_path, name):
    run = create(tmp_path / "run")
    with pytest.raises(InputError, match="`name` must stay inside the run folder"):
        run.path(name)
    assert os.listdir(tmp_path) == ["run"]


def test_a_path_does_not_follow_a_link_out(tmp_path):
    run = create(tmp_path / "run")
    (tmp_path / "run" / "out").symlink_to(tmp_path)
    with pytest.raises(InputError, match="is a link out of it"):
        run.path("out/x")


def test_a_folder_that_cannot_be_written_still_says_where_things_lie(tmp_path, monkeypatch):
    run = create(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert run.path("students/a.bin") == tmp_path / "students" / "a.bin"
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_file_where_a_folder_should_be_is_a_sentence(tmp_path):
    run = create(tmp_path)
    run.path("a").write_text("x")
    with pytest.raises(InputError, match="cannot make the folder"):
        run.path("a/b/c")


def test_a_run_inside_a_run(tmp_path):
    outer = create(tmp_path / "run")
    inner = create(outer.path("students/gkd-3"))
    inner.append_metrics({"epoch": 1})
    assert RunFolder.open(tmp_path / "run" / "students" / "gkd-3").metrics() == [{"epoch": 1}]
    create(tmp_path / "run", overwrite=True)
    assert os.listdir(tmp_path / "run") == ["run.json"]


def test_write_json(tmp_path):
    run = create(tmp_path)
    path = run.write_json("tables/summary.json", {"spec": Spec(), "rows": [result().data]})
    assert path == tmp_path / "tables" / "summary.json"
    assert json.loads(path.read_text()) == {
        "spec": {"k": None, "taps": ["layer1", "layer2"]},
        "rows": [{"source": "cifar10", "sha256": "0a" * 32, "counts": {"test": 10000}}],
    }
    for name in ("run.json", "./run.json", "summary.txt"):
        with pytest.raises(InputError, match=r"`name` must end in '\.json' and not be 'run\.json'"):
            run.write_json(name, {})
    with pytest.raises(InputError, match=r"`bad\.x` must be a finite number"):
        run.write_json("bad.json", {"x": float("inf")})
    assert not (tmp_path / "bad.json").exists()


def test_finish_says_how_and_when(tmp_path):
    run = create(tmp_path)
    run.path("a").write_text("x")
    run.finish("failed")
    info = RunFolder.open(tmp_path).info
    assert info.status == "failed"
    assert info.ended is not None
    assert info.ended >= info.created
    assert info.entries == ("a",)
    with pytest.raises(InputError, match="got 'finish'; did you mean 'finished'"):
        run.finish("finish")
    with pytest.raises(InputError, match="must be one of 'finished', 'failed', 'interrupted'"):
        run.finish("running")
    assert run.info.status == "failed"


def test_a_run_folder_prints_its_place(tmp_path):
    assert repr(create(tmp_path)) == f"RunFolder({str(tmp_path)!r})"
    assert RunFolder.open(tmp_path).folder == tmp_path


def test_check_says_what_create_would_say_and_leaves_nothing(tmp_path):
    RunFolder.check(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for path in ("full", "file", "file/run"):
        with pytest.raises(InputError) as checked:
            RunFolder.check(tmp_path / path)
        with pytest.raises(InputError) as created:
            RunFolder.create(tmp_path / path, command="lgg demo", config={})
        assert str(checked.value) == str(created.value)
    RunFolder.create(tmp_path / "run", command="lgg demo", config={})
    with pytest.raises(InputError, match="pass --overwrite"):
        RunFolder.check(tmp_path / "run")
    RunFolder.check(tmp_path / "run", overwrite=True)
    assert RunFolder.open(tmp_path / "run").info.command == "lgg demo"


def test_metrics_are_replaced_as_a_whole(tmp_path):
    run = RunFolder.create(tmp_path / "run", command="lgg", config={})
    for epoch in (1, 2, 3):
        run.append_metrics({"epoch": epoch})
    run.replace_metrics([{"epoch": 1, "loss": float("nan")}])
    assert run.metrics() == [{"epoch": 1, "loss": None}]
    run.append_metrics({"epoch": 2})
    assert [row["epoch"] for row in run.metrics()] == [1, 2]
    run.replace_metrics([])
    assert run.metrics() == []


def test_a_run_that_goes_on_says_when_and_what_changed(tmp_path):
    run = RunFolder.create(tmp_path / "run", command="lgg", config={})
    run.finish("interrupted")
    (run.folder / ".0123456789abcdef.partial").write_bytes(b"half")
    run.resume(changes=["torch was '2.6' and is '2.7'"])
    info = RunFolder.open(run.folder).info
    assert (info.status, info.ended) == ("running", None)
    assert [(len(once.at), once.changes) for once in info.resumed] == [
        (25, ("torch was '2.6' and is '2.7'",))
    ]
    run.resume()
    assert len(run.info.resumed) == 2
    assert [path.name for path in run.folder.iterdir()] == ["run.json"]


def test_one_process_at_a_time(tmp_path):
    run = RunFolder.create(tmp_path / "run", command="lgg", config={})
    again = pytest.raises(InputError, match="another process is at work in")
    with run.locked(), again, run.locked():
        pass
    with run.locked():
        pass


def test_a_run_that_was_killed_as_it_began_leaves_the_folder_free(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".0123456789abcdef.partial").write_bytes(b"half a run.json")
    RunFolder.check(tmp_path / "run")
    RunFolder.create(tmp_path / "run", command="lgg", config={})
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]
