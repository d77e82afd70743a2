"""From a run or a file of weights to a file that other programs run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from torchlgg.cli._export import run_export
from torchlgg.core import InputError
from torchlgg.nets import SavedNet, build_net, open_net, save_weights
from torchlgg.records import RunFolder

DIGITS = SimpleNamespace(class_names=tuple("0123456789"), shape=(1, 8, 8), mean=(0.3,), std=(0.4,))
FACTORY = "tests.nets.factories:both"


def weights_at(path, name="small_cnn-2"):
    torch.manual_seed(0)
    saved = SavedNet.describe(name, DIGITS)
    saved.write(saved.build(), path)
    return path


@pytest.fixture
def run(tmp_path):
    folder = RunFolder.create(tmp_path / "run", command="lgg train", config={})
    weights_at(folder.path("model.safetensors"))
    folder.finish("finished")
    return folder


def outputs(path, images):
    return torch.export.load(path).module()(images)


@pytest.mark.parametrize("takes", ["pixels", "normalized"])
def test_a_run_is_exported(run, tmp_path, capsys, takes):
    out = tmp_path / "net.pt2"
    run_export(run.folder, out, takes=takes)
    pixels = torch.rand(3, 1, 8, 8)
    normalized = (pixels - 0.3) / 0.4
    expected = open_net(run.path("model.safetensors"))(normalized)
    found = outputs(out, pixels if takes == "pixels" else normalized)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    said = "pixels from 0 to 1" if takes == "pixels" else "normalised images"
    assert capsys.readouterr().out == (f"{out}: small_cnn-2, for batches of 1 x 8 x 8 {said}\n")
    words = {"torchlgg": ""}
    torch.export.load(out, extra_files=words)
    described = json.loads(json.loads(words["torchlgg"])["torchlgg"])
    assert described["class_names"] == list("0123456789")


def test_a_file_is_exported_as_onnx(tmp_path):
    onnx = pytest.importorskip("onnx")
    run_export(weights_at(tmp_path / "net.safetensors", "small_cnn-1"), tmp_path / "net.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "net.onnx"))


def test_an_export_into_the_run_belongs_to_it(run):
    run_export(run.folder, run.folder / "net.pt2")
    assert "net.pt2" in run.info.entries
    run.remove()
    assert not run.folder.exists()


def test_an_old_file_is_kept_unless_it_may_go(run, tmp_path):
    out = tmp_path / "net.pt2"
    out.write_text("mine")
    with pytest.raises(InputError, match=r"exists; choose another name or pass --overwrite"):
        run_export(run.folder, out)
    assert out.read_text() == "mine"
    run_export(run.folder, out, overwrite=True)
    assert outputs(out, torch.rand(2, 1, 8, 8)).shape == (2, 10)


def test_files_without_a_size_need_one(tmp_path):
    net = build_net("small_cnn-2", num_classes=10, in_channels=1)
    old = {"net": "small_cnn-2", "num_classes": 10, "in_channels": 1, "mean": [0.3], "std": [0.4],
           "class_names": list("0123456789")}  # fmt: skip
    path = tmp_path / "net.safetensors"
    save_weights(net, path, {"torchlgg": json.dumps(old)})
    with pytest.raises(InputError, match="does not say how large its images are: pass --image-si"):
        run_export(path, tmp_path / "net.pt2")
    run_export(path, tmp_path / "net.pt2", image_size=6)
    assert outputs(tmp_path / "net.pt2", torch.rand(2, 1, 6, 6)).shape == (2, 10)


def test_code_of_ones_own_is_run_only_if_it_is_named(tmp_path):
    path = weights_at(tmp_path / "net.safetensors", FACTORY)
    with pytest.raises(InputError, match="only run if you ask for it: name the network yourself"):
        run_export(path, tmp_path / "net.pt2")
    run_export(path, tmp_path / "net.pt2", net=FACTORY)
    assert outputs(tmp_path / "net.pt2", torch.rand(2, 1, 8, 8)).shape == (2, 10)


def test_sources_without_a_network(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no trained network \(model.safetensors\)"):
        run_export(tmp_path / "empty", tmp_path / "net.pt2")
    with pytest.raises(InputError, match="does not exist"):
        run_export(tmp_path / "none.safetensors", tmp_path / "net.pt2")
    save_weights(build_net("small_cnn-2", num_classes=10), tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match=r"cannot be exported here; `torchlgg.nets.export_net`"):
        run_export(tmp_path / "bare.safetensors", tmp_path / "net.pt2")
    path = weights_at(tmp_path / "net.safetensors")
    with pytest.raises(InputError, match=r"must end in '\.pt2' or '\.onnx'"):
        run_export(path, tmp_path / "net.tflite")
    with pytest.raises(InputError, match="is the file that is to be exported"):
        run_export(path, path, overwrite=True)
    assert SavedNet.read(path) is not None
