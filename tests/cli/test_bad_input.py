"""Bad input on the command line: one sentence, exit code 2, nothing written."""

from __future__ import annotations

import io
import pickle

import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from torchlgg.data import open_images
from torchlgg.nets import SavedNet, build_net, save_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A teacher for the digits, and broken files of every kind."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    net = build_net("small_cnn-4", num_classes=10, in_channels=1)
    saved = SavedNet.describe("small_cnn-4", open_images("digits", limit=100).train)
    saved.write(net, folder / "teacher.safetensors")
    save_weights(net, folder / "nameless.safetensors")
    with torch.no_grad():
        net.stage2.bn.bias[1] = torch.nan
    saved.write(net, folder / "nan.safetensors")
    (folder / "pickle.safetensors").write_bytes(pickle.dumps({"a": 1}))
    (folder / "half.safetensors").write_bytes((folder / "teacher.safetensors").read_bytes()[:900])

    for name in ("truncated", "undecodable"):
        (folder / name).mkdir()
        for part in ("train", "test"):
            _write_parquet(folder / name / f"{part}-00000-of-00001.parquet")
    whole = (folder / "truncated" / "train-00000-of-00001.parquet").read_bytes()
    (folder / "truncated" / "train-00000-of-00001.parquet").write_bytes(whole[:-100])
    _write_parquet(folder / "undecodable" / "train-00000-of-00001.parquet", broken=3)
    (folder / "full").mkdir()
    (folder / "full" / "notes.txt").write_text("not a run")
    (folder / "file").write_text("a file")
    return folder


def _write_parquet(path, broken: int | None = None) -> None:
    rows = []
    for index in range(12):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (20 * index, 0, 0)).save(file, "PNG")
        content = file.getvalue() if index != broken else b"no image"
        rows.append({"img": {"bytes": content, "path": None}, "label": index % 2})
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


DISTILL = "distill --data digits --student small_cnn-2 --epochs 1 --limit 100 --batch-size 50"
TEACHER = "--teacher-weights {folder}/teacher.safetensors"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(DISTILL, "needs a teacher: pass --teacher-weights", id="no teacher"),
        pytest.param(f"{DISTILL} {TEACHER} --loss gdk", "did you mean 'gkd'", id="unknown loss"),
        pytest.param(
            f"{DISTILL} {TEACHER} --k 50",
            "a batch must hold at least 51 examples for these losses (k neighbours need k + 1)",
            id="k too large",
        ),
        pytest.param(
            f"{DISTILL} {TEACHER} --student-taps stage1,stgae2,pool",
            "did you mean 'stage2'",
            id="unknown tap",
        ),
        pytest.param(
            f"{DISTILL} {TEACHER} --student-taps stage1",
            "the student has 1 (stage1) and the teacher 3 (stage1, stage2, pool)",
            id="taps that do not pair",
        ),
        pytest.param(
            f"{DISTILL} --teacher-weights {{folder}}/nan.safetensors",
            "`teacher['stage2']` must be finite; 32 of its 256 values are NaN or infinite, the "
            "first in row 0",
            id="nan",
        ),
        pytest.param(
            f"{DISTILL} --teacher-weights {{folder}}/pickle.safetensors",
            "is a pickle (as torch.save writes) where safetensors are expected",
            id="pickle",
        ),
        pytest.param(
            f"{DISTILL} --teacher-weights {{folder}}/half.safetensors", "half.safetensors", id="cut"
        ),
        pytest.param(
            f"{DISTILL} --teacher-weights {{folder}}/no.safetensors", "no.safetensors", id="absent"
        ),
        pytest.param(
            f"{DISTILL} --teacher-net small_cnn-5 {TEACHER}",
            "must be (5, 1, 3, 3)",
            id="weights of another network",
        ),
        pytest.param(
            f"{DISTILL} --teacher-weights {{folder}}/nameless.safetensors",
            "does not say which network its weights belong to",
            id="no name",
        ),
        pytest.param(f"{DISTILL} {TEACHER} --student small_cn-2", "did you mean", id="no net"),
        pytest.param(f"{DISTILL} {TEACHER} --device cdua", "did you mean 'cuda'", id="device"),
        pytest.param(f"{DISTILL} {TEACHER} --epochs 0", "`epochs` must be at least 1", id="epochs"),
        pytest.param(
            f"{DISTILL} {TEACHER} --out {{folder}}/full", "not a run of torchlgg", id="full folder"
        ),
        pytest.param(
            f"{DISTILL} {TEACHER} --out {{folder}}/full --overwrite",
            "not a run of torchlgg",
            id="not ours to overwrite",
        ),
        pytest.param(
            f"{DISTILL} {TEACHER} --crop-padding 8", "`crop_padding` must be less", id="padding"
        ),
        pytest.param(f"{DISTILL} {TEACHER} --seed 99999999999999999999", "below 2**63", id="seed"),
        pytest.param(
            f"{DISTILL} {TEACHER} --weight gkd=-1", "`weight` of gkd must be positive", id="weight"
        ),
        pytest.param(
            f"{DISTILL} {TEACHER} --device meta", "`device` must be one of", id="no device"
        ),
        pytest.param(
            f"{DISTILL} {TEACHER} --out {{folder}}/file/run", "{folder}/file", id="unwritable"
        ),
        pytest.param(
            "distill --loss none --student small_cnn-2 --data {folder}/truncated",
            "train-00000-of-00001.parquet",
            id="truncated parquet",
        ),
        pytest.param(
            "distill --loss none --student small_cnn-2 --data {folder}/undecodable",
            "row 3",
            id="undecodable image",
        ),
        pytest.param("evaluate --weights x.pt --data digit", "digits", id="no data"),
        pytest.param("evaluate --wieghts x.pt --data digits", "--weights", id="unknown option"),
        pytest.param("distil --data digits", "distill", id="unknown verb"),
    ],
)
def test_one_sentence_and_nothing_written(
    lgg, folder, tmp_path, monkeypatch, words, sentence
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(folder.rglob("*"))
    done = lgg(*words.format(folder=folder).split())
    assert done.code == 2, done
    assert sentence.format(folder=folder) in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []
    assert sorted(folder.rglob("*")) == before


def test_a_run_that_is_read_is_not_replaced(lgg, folder, tmp_path) -> None:
    out = tmp_path / "run"
    words = f"{DISTILL} {TEACHER} --out {out}".format(folder=folder).split()
    assert lgg(*words).code == 0
    student = out / "model.safetensors"
    before = student.read_bytes()
    again = [*DISTILL.split(), "--teacher-weights", student, "--out", out, "--overwrite"]
    measure = ["evaluate", "--data", "digits", "--weights", student, "--out", out, "--overwrite"]
    for command in (again, measure):
        done = lgg(*command)
        assert done.code == 2
        assert "which this command reads; choose another folder" in done.err
        assert student.read_bytes() == before
        assert (out / "metrics.jsonl").exists()


def test_images_that_a_network_cannot_take(lgg, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "images"
    folder.mkdir()
    for part in ("train", "test"):
        _write_parquet(folder / f"{part}-00000-of-00001.parquet")
    words = "distill --loss none --student timm:vit_tiny_patch16_224 --validation 0 --data images"
    done = lgg(*words.split())
    assert done.code == 2
    assert "the networks cannot take images of 3 x 8 x 8: " in done.err
    assert not (tmp_path / "runs").exists()
