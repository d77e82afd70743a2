"""`lgg distill --loss`: every baseline by name, weights and gradient ratios in words."""

from __future__ import annotations

import pytest

from torchlgg.records import RunFolder

DISTILL = [
    "distill", "--data", "digits", "--limit", 120, "--batch-size", 40, "--epochs", 1,
    "--student", "small_cnn-2", "--learning-rate", 0.001,
]  # fmt: skip


def test_every_loss_in_one_sum(lgg, teacher, tmp_path) -> None:
    names = "hkd+dkd+dist+rkd+rkd-a+sp+pkt+cc+at+gkd"
    done = lgg(
        *DISTILL, "--teacher-weights", teacher, "--loss", names, "--temperature", 2, "--k", 5,
        "--weight", "pkt=1000", "--weight", "sp=30", "--gradient-ratio", "gkd=0.5",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.code == 0, done.err
    run = RunFolder.open(tmp_path / "run")
    assert list(run.metrics()[0]["terms"]) == ["ce", *names.split("+")]
    assert run.results()[-1].tags["method"] == names
    kept = run.info.config["task"]["losses"]
    assert {name: term["weight"] for name, term in kept.items()} == {
        "hkd": 16, "dkd": 1, "dist": 1, "rkd": 25, "rkd-a": 50, "sp": 30, "pkt": 1000, "cc": 100,
        "at": 3000, "gkd": 25,
    }  # fmt: skip
    assert (kept["hkd"]["temperature"], kept["dkd"]["temperature"]) == (2, 2)
    assert (kept["gkd"]["spec"]["k"], kept["gkd"]["gradient_ratio"]) == (5, 0.5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--loss", "gdk"], "'gdk'; did you mean 'gkd'"),
        (["--weight", "gdk=1"], "`--weight` names the loss 'gdk'; did you mean 'gkd'"),
        (["--weight", "gkd"], "`--weight` must look like NAME=NUMBER, such as gkd=25; got 'gkd'"),
        (["--weight", "hkd=1"], "names 'hkd', which is not summed"),
        (["--weight", "gkd=-1"], "the `weight` of gkd must be positive, got -1.0"),
        (["--gradient-ratio", "gkd=0"], "the `gradient_ratio` of gkd must be positive, got 0.0"),
        (["--weight", "gkd=1", "--gradient-ratio", "gkd=1"], "has a weight and a gradient ratio"),
        (["--loss", "hkd", "--temperature", 0], "`temperature` must be positive"),
    ],
)
def test_bad_words(lgg, teacher, tmp_path, words, sentence) -> None:
    done = lgg(*DISTILL, "--teacher-weights", teacher, *words, "--out", tmp_path / "run")
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
