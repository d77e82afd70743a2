"""``lgg runs list``, ``compare`` and ``clean``."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from torchlgg.cli._runs import runs_app
from torchlgg.core import InputError
from torchlgg.records import DataDescription, Measurement, Result, RunFolder

DATA = DataDescription(source="digits", counts={"test": 360})
ERRORS = {"alone": [10.1, 10.0, 10.2, 10.1], "gkd": [9.6, 9.9, 9.5, 9.8]}

app = typer.Typer(add_completion=False)
app.add_typer(runs_app, name="runs")


def lgg(*words, answer=None):
    done = CliRunner().invoke(app, ["runs", *map(str, words)], input=answer, env={"COLUMNS": "80"})
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def make(folder, recipe="gkd", seed=0, *, status="finished", error=None, epochs=4, tag="recipe"):
    config = {"recipe": recipe, "net": {"name": "wrn10-1"}, "training": {"epochs": 4}}
    run = RunFolder.create(folder, command="lgg train", config=config, seeds=[seed])
    for epoch in range(1, epochs + 1):
        run.append_metrics({"epoch": epoch, "validation_error": 0.5 / epoch})
    run.path("state.pt").write_bytes(b"x" * 2500)
    run.path("model.safetensors").write_bytes(b"x")
    if error is not None:
        measured = Measurement(name="error", value=error, unit="%", count=360, protocol="Test.")
        tags = {tag: recipe, "network": "wrn10-1", "seed": str(seed)}
        run.write_result(
            Result(task="evaluate", subject="s", data=DATA, measurements=[measured], tags=tags)
        )
    if status != "dead":
        run.finish(status)
    return run


def sweep(folder):
    for recipe, errors in ERRORS.items():
        for seed, error in enumerate(errors):
            make(folder / recipe / f"seed-{seed}", recipe, seed, error=error)


def line_of(text, name):
    (line,) = (line for line in text.splitlines() if line.strip().startswith(name))
    return line.split()


def test_list_says_of_every_run_what_it_is_and_how_it_stands(tmp_path):
    make(tmp_path / "a" / "seed-0", "gkd", 0, error=9.6)
    make(tmp_path / "b", "hkd", 3, status="interrupted", epochs=2)
    make(tmp_path / "c", "hkd", 4, status="dead", epochs=0)
    make(tmp_path / "d", "hkd", 5, status="dead", epochs=1)
    make(tmp_path / "e" / "old", "rkd", 1, error=8.0, tag="method")
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "run.json").write_text('{"format": "another"}')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    with RunFolder.open(tmp_path / "d").locked():
        text = lgg("list", tmp_path).output
    when = RunFolder.open(tmp_path / "b").info.created
    begun = [when[:10], when[11:16]]
    assert line_of(text, "a/seed-0")[:-2] == (
        ["a/seed-0", "gkd", "wrn10-1", "0", "finished", "4/4", "9.60"]
    )
    assert line_of(text, "b ") == (
        ["b", "hkd", "wrn10-1", "3", "interrupted", "2/4", "25.00", "(validation)", *begun]
    )
    assert line_of(text, "c ")[4:7] == ["dead", "0/4", "–"]
    assert line_of(text, "d ")[4] == "running"
    assert line_of(text, "e/old")[1:4] == ["rkd", "wrn10-1", "1"]
    assert line_of(text, "broken")[4] == "damaged"
    assert "wandb" not in text


def test_list_takes_runs_of_other_verbs_and_damaged_files(tmp_path):
    run = RunFolder.create(tmp_path / "demo", command="lgg demo", config={}, seeds=[0, 1])
    (run.folder / "metrics.jsonl").write_text("not json\n")
    run.finish("finished")
    text = lgg("list", tmp_path / "demo").output
    found = " ".join(text.split())
    assert "– – 0, 1 finished, damaged 0 –" in found


def test_a_folder_without_runs_says_so(tmp_path, monkeypatch):
    assert lgg("list", tmp_path).output == f"there are no runs in {tmp_path}\n"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="'runs' does not exist"):
        lgg("list")
    assert lgg("clean", tmp_path).output == f"there is nothing to remove in {tmp_path}\n"


def test_list_loads_no_torch(tmp_path):
    make(tmp_path / "run", error=9.0)
    script = (
        "import sys\nfrom torchlgg.cli._runs import list_runs\nfrom pathlib import Path\n"
        "list_runs(Path(sys.argv[1]))\n"
        "heavy = {'torch', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout


def test_compare_shows_means_and_paired_tests_of_finished_runs(tmp_path):
    sweep(tmp_path)
    make(tmp_path / "gkd" / "seed-9", "gkd", 9, status="interrupted", error=99.0)
    done = lgg("compare", tmp_path / "gkd", tmp_path / "alone", tmp_path / "gkd" / "seed-0")
    text = done.output
    assert "left out, as they are not finished: 1\n" in text
    assert line_of(text, "gkd  ") == ["gkd", "9.70", "[9.41,", "9.99]"]
    assert line_of(text, "alone  ") == ["alone", "10.10", "[9.97,", "10.23]"]
    assert line_of(text, "alone − gkd")[3:] == ["0.40", "[-0.01,", "0.81]", "0.053", "0.125", "4"]

    markdown = lgg("compare", tmp_path, "--markdown").output
    assert "| gkd − alone | -0.40 [-0.81, 0.01] |" in markdown


def test_the_best_on_validation_stand_beside_the_last_epochs(tmp_path):
    sweep(tmp_path)
    for place in tmp_path.glob("*/*"):
        run = RunFolder.open(place)
        (last,) = run.results()
        better = last.measurements[0].model_copy(update={"value": last.measurements[0].value - 1})
        task = "classify, best on validation"
        run.write_result(last.model_copy(update={"task": task, "measurements": (better,)}))
    markdown = lgg("compare", tmp_path, "--markdown").output
    tables = markdown.split("**")[1::2]
    assert [title.split(":")[0] for title in tables] == [
        "Means over seeds on digits", "Differences in error, pair by pair", "Beside it",
    ]  # fmt: skip
    assert markdown.count("9.70 [9.41, 9.99]") == 1
    assert markdown.count("8.70 [8.41, 8.99]") == 1


def test_compare_by_another_tag_and_measurement(tmp_path):
    for recipe, seed, error in [("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, 2.0), ("b", 1, 2.5)]:
        make(tmp_path / f"{recipe}{seed}", recipe, seed, error=error, tag="method")
    text = lgg("compare", tmp_path, "--by", "method").output
    assert line_of(text, "b − a")[3] == "0.8"
    with pytest.raises(InputError, match=r"no finished run in '.*' has a result with the tags"):
        lgg("compare", tmp_path)
    with pytest.raises(InputError, match="no result has 'eror'; did you mean 'error'"):
        lgg("compare", tmp_path, "--by", "method", "--measurement", "eror")


def test_clean_removes_what_did_not_finish_and_nothing_else(tmp_path):
    make(tmp_path / "good", error=9.0)
    for status in ("interrupted", "failed", "dead"):
        make(tmp_path / status, status=status)
    make(tmp_path / "at-work", status="dead")
    make(tmp_path / "queued", status="interrupted")
    (tmp_path / "queued.log").write_text("")
    (tmp_path / "interrupted.log").write_text("why")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.tex").write_text("years")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    import fcntl

    with (
        RunFolder.open(tmp_path / "at-work").locked(),
        open(tmp_path / "queued.log", "ab") as log,
    ):
        fcntl.flock(log, fcntl.LOCK_EX)  # as a process has it that still imports torch
        done = lgg("clean", tmp_path, answer="n\n")
        assert done.output.endswith("nothing was removed\n")
        assert len(os.listdir(tmp_path)) == 10
        done = lgg("clean", tmp_path, answer="y\n")
    for status in ("interrupted", "failed", "dead"):
        assert f"{tmp_path / status}  ({status}, " in done.output
    assert "remove 3 x run?" in done.output
    assert sorted(os.listdir(tmp_path)) == [
        "at-work", "broken", "data", "good", "interrupted.log", "queued", "queued.log",
    ]  # fmt: skip
    assert (tmp_path / "data" / "thesis.tex").exists()


def test_clean_without_an_answer_removes_nothing(tmp_path):
    make(tmp_path / "failed", status="failed")
    assert lgg("clean", tmp_path, answer="").exit_code == 1
    assert (tmp_path / "failed").exists()
    assert lgg("clean", tmp_path, "--yes").output.endswith("1 x run removed\n")
    assert not (tmp_path / "failed").exists()


def test_clean_leaves_a_run_with_a_finished_one_inside(tmp_path):
    outer = make(tmp_path / "outer", status="failed")
    inner = make(outer.path("students/gkd"))
    assert "nothing to remove" in lgg("clean", tmp_path, "--yes").output
    inner.finish("interrupted")
    assert lgg("clean", tmp_path, "--yes").output.endswith("2 x run removed\n")
    assert os.listdir(tmp_path) == []


def test_clean_does_not_remove_a_run_beside_something_foreign(tmp_path):
    for name in ("a", "failed", "z"):
        make(tmp_path / name, status="failed")
    (tmp_path / "failed" / "notes.md").write_text("mine")
    with pytest.raises(InputError, match=r"cannot be removed: 'notes\.md' is there too"):
        lgg("clean", tmp_path, "--yes")
    assert (tmp_path / "failed" / "state.pt").exists()
    assert os.listdir(tmp_path) == ["failed"]  # the others went


def test_clean_state_takes_only_the_state_of_finished_runs(tmp_path):
    for status in ("finished", "interrupted"):
        make(tmp_path / status, status=status)
    foreign = RunFolder.create(tmp_path / "foreign", command="lgg train", config={})
    (tmp_path / "foreign" / "state.pt").write_text("not of this run")
    foreign.finish("finished")
    done = lgg("clean", tmp_path, "--state", "--yes")
    assert done.output == (
        f"{tmp_path / 'finished' / 'state.pt'}  (of a finished run, 2 KB)\n1 x state.pt removed\n"
    )
    assert sorted(os.listdir(tmp_path / "finished")) == [
        "metrics.jsonl", "model.safetensors", "run.json",
    ]  # fmt: skip
    for name in ("interrupted", "foreign"):
        assert (tmp_path / name / "state.pt").exists()
