"""The verbs, end to end on the digits, and on CIFAR-10 with the published networks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.shared import SHARED, needs_shared
from torchlgg.nets import SavedNet
from torchlgg.records import RunFolder

DISTILL = ["distill", "--data", "digits", "--limit", 200, "--batch-size", 50, "--epochs", 2]


def test_distill_then_evaluate(lgg, teacher, tmp_path) -> None:
    out = tmp_path / "run"
    done = lgg(
        *DISTILL, "--student", "small_cnn-2", "--loss", "hkd+gkd", "--teacher-weights", teacher,
        "--crop-padding", 1, "--no-flip", "--out", out,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "epoch 2/2  ce " in done.out
    assert "teacher: error " in done.out
    run = RunFolder.open(out)
    assert run.info.status == "finished"
    assert [row["epoch"] for row in run.metrics()] == [1, 2]
    assert set(run.metrics()[0]["terms"]) == {"ce", "hkd", "gkd"}
    # the share of a step that the graph loss took is said, and comes from the record
    shares = dict(part.rsplit(" ", 2)[:2] for part in steps_line(done.out).split(", "))
    seconds = [sum(row["part_seconds"][part] for row in run.metrics()) for part in shares]
    assert float(shares["gkd"]) == pytest.approx(
        100 * seconds[list(shares).index("gkd")] / sum(seconds), abs=0.06
    )
    teacher_result, student, best = run.results()
    assert (teacher_result.subject, student.task) == ("teacher", "distill")
    assert best.task == "distill, best on validation"
    assert student.tags == best.tags
    assert student.tags == {
        "recipe": "distill", "network": "small_cnn-2", "method": "hkd+gkd", "seed": "0",
    }  # fmt: skip
    assert "graph distance pool" in [measured.name for measured in student.measurements]

    again = lgg("evaluate", "--weights", out / "model.safetensors", "--data", "digits")
    assert again.code == 0, again.err
    assert again.out == f"{student.measurements[0]}\n"


def steps_line(out: str) -> str:
    [line] = [line for line in out.splitlines() if line.startswith("a step took")]
    return line.partition(": ")[2]


def test_student_alone_needs_no_teacher(lgg, tmp_path) -> None:
    out = tmp_path / "run"
    words = [*DISTILL, "--student", "small_cnn-2", "--loss", "none", "--validation", 0]
    done = lgg(*words, "--out", out)
    assert done.code == 0, done.err
    assert "validation error" not in done.out
    assert RunFolder.open(out).metrics()[0]["validation_error"] is None


def test_same_seed_same_student(lgg, tmp_path) -> None:
    words = [*DISTILL, "--student", "small_cnn-2", "--loss", "none"]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert lgg(*words, "--seed", seed, "--out", tmp_path / name).code == 0
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_evaluate_keeps_a_record(lgg, teacher, tmp_path) -> None:
    words = ["evaluate", "--weights", teacher, "--data", "digits", "--teacher-weights", teacher]
    done = lgg(*words, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    [result] = RunFolder.open(tmp_path / "run").results()
    assert "agreement 100.00 %" in done.out
    assert done.out.splitlines() == [str(measured) for measured in result.measurements]


def test_evaluate_by_embeddings(lgg, teacher, tmp_path) -> None:
    words = ["evaluate", "--weights", teacher, "--data", "digits", "--embeddings", "pool"]
    done = lgg(*words, "--limit", 300, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    by_logits, by_embeddings = RunFolder.open(tmp_path / "run").results()
    assert by_embeddings.data.counts == {"train": 300, "test": 359}
    names = [measured.name for measured in by_embeddings.measurements]
    assert names == ["1-NN error", "10-NN error", "linear probe error", "RBF SVC error"]
    # an untrained network separates digits better by its neighbours than by its logits
    assert by_embeddings.measurements[0].value < by_logits.measurements[0].value - 20
    assert str(by_embeddings.measurements[0]) in done.out.splitlines()
    again = lgg(*words[:-1], "polo")
    assert again.code == 2
    assert "did you mean 'pool'" in again.err


def test_demo(lgg, tmp_path) -> None:
    out = tmp_path / "demo"
    done = lgg("demo", "--out", out, "--seeds", 2, "--epochs", 1)
    assert done.code == 0, done.err
    run = RunFolder.open(out)
    results = run.results()
    students = [result for result in results if "seed" in result.tags]
    assert [(r.tags["method"], r.tags["seed"]) for r in students] == [
        (method, seed) for method in ("none", "hkd", "rkd", "gkd") for seed in "01"
    ]
    summaries = [result for result in results if result.task == "summary"]
    for summary in summaries:
        runs = [r for r in students if r.tags["method"] == summary.tags["method"]]
        errors = [r.measurements[0].value for r in runs]
        assert summary.measurements[0].value == pytest.approx(sum(errors) / 2)
    assert len(run.metrics()) == 1 + 4 * 2
    table = (out / "table.md").read_text()
    for method in ("none", "hkd", "rkd", "gkd"):
        assert f"| {method} " in table
    assert (out / "comparison.svg").stat().st_size > 1000
    assert (out / "comparison.png").stat().st_size > 1000
    # equal start: the students of one seed differ by their loss alone
    first = {row["subject"]: row for row in run.metrics()}
    assert set(first) >= {"teacher", "student none seed 0", "student gkd seed 1"}


@needs_shared
@pytest.mark.parametrize(
    ("net", "weights", "error"),
    [
        ("wrn28-0.5", "wrn28-0.5_cifar10_gkd_student", "error 9.38 %"),
        ("wrn28-0.5", "wrn28-0.5_cifar10_rkd_student", "error 10.06 %"),
        pytest.param("wrn28-1", "wrn28-1_cifar10_teacher", "error 6.73 %", marks=pytest.mark.long),
    ],
)
def test_published_networks_on_cifar10(lgg, net, weights, error) -> None:
    path = SHARED / "reference" / "checkpoints" / f"{weights}.safetensors"
    done = lgg(
        "evaluate", "--net", net, "--weights", path, "--data", SHARED / "datasets" / "cifar10"
    )
    assert done.code == 0, done.err
    assert done.out.startswith(error)
    assert "n = 10000" in done.out


def test_help_starts_without_torch() -> None:
    code = (
        "import sys; sys.argv = ['lgg', '--help']\n"
        "from torchlgg.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "heavy = {'torch', 'numpy', 'sklearn', 'pyarrow', 'matplotlib', 'torchvision', 'timm'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "distill" in done.stdout


def test_ctrl_c_leaves_a_student_and_a_record(tmp_path) -> None:
    out = tmp_path / "run"
    words = ["distill", "--data", "digits", "--loss", "none", "--student", "small_cnn-2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "torchlgg", *words, "--epochs", "500", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # a suite that was started in the background ignores the signal, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    metrics = out / "metrics.jsonl"
    with process:
        try:
            while process.poll() is None and not (
                metrics.exists() and metrics.read_text().count("\n") > 1
            ):
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert "lgg: interrupted; what was done is in" in err
    assert RunFolder.open(out).info.status == "interrupted"
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
    assert SavedNet.read(out / "model.safetensors") is not None
