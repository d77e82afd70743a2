"""What goes with the network of a run: its card, and the licence of what it learnt from."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch
import yaml

from torchlgg.data import open_images
from torchlgg.nets import SavedNet, UnitLength, build_net, open_net
from torchlgg.recipes import from_plain, recipe, run_recipe, with_settings
from torchlgg.records import RunFolder

SMALL = ["data.limit=200", "net.name=small_cnn-2", "training.epochs=1"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    torch.manual_seed(0)
    net = build_net("small_cnn-4", num_classes=10, in_channels=1)
    SavedNet.describe("small_cnn-4", open_images("digits").train).write(net, path)
    return path


def run(folder: Path, name: str, *words: str) -> RunFolder:
    return run_recipe(with_settings(recipe(name), [*SMALL, *words]), folder / "run")


def card_of(run: RunFolder) -> str:
    return run.path("card.md").read_text(encoding="utf-8")


def test_a_card_tells_of_the_run_and_how_to_do_it_again(tmp_path: Path, teacher: Path) -> None:
    done = run(
        tmp_path, "digits/hkd", f"teacher.weights={teacher}", 'teacher.licence="CC BY-NC 4.0"'
    )
    card = card_of(done)
    assert card.startswith("# small_cnn-2, trained on digits\n")
    assert f"`{teacher}`; licence of its weights: CC BY-NC 4.0" in card
    error = done.results()[1].measurement("error")
    assert f"| {error.written()} |" in card
    saved = SavedNet.read(done.path("model.safetensors"))
    assert saved is not None
    assert saved.licence == "CC BY-NC 4.0"
    # the settings on the card are those of the run
    _, _, settings = card.partition("```yaml\n")
    file = tmp_path / "recipe.yaml"
    file.write_text(settings.partition("```")[0])
    assert recipe(str(file)) == from_plain(done.info.config | {"recipe": "recipe"})
    assert yaml.safe_load(file.read_text())["teacher"]["licence"] == "CC BY-NC 4.0"


def test_the_lines_that_load_it_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(tmp_path, "digits/classify")
    card = card_of(done)
    assert "licence" not in card.partition("## Train it again")[0]  # of nothing but random weights
    _, _, code = card.partition("```python\n")
    monkeypatch.chdir(done.folder)
    names = {"images": torch.zeros(3, 1, 8, 8)}
    exec(textwrap.dedent(code.partition("```")[0]), names)
    expected = open_net(done.path("model.safetensors"))(names["images"])
    assert torch.equal(names["outputs"], expected)


def test_licences_that_are_given_are_kept(tmp_path: Path, teacher: Path) -> None:
    words = [f"teacher.weights={teacher}", "teacher.licence=mine", "net.licence=theirs"]
    for name, kept in (("hkd", "mine; theirs"), ("classify", "theirs")):
        done = run(tmp_path / name, f"digits/{name}", *words)
        saved = SavedNet.read(done.path("model.safetensors"))
        assert saved is not None
        assert saved.licence == kept
        assert ("Teacher: " in card_of(done)) == (name == "hkd")  # only where it was listened to


def test_a_licence_is_passed_on_by_the_files(tmp_path: Path) -> None:
    """What a file learnt from stays known to those who learn from that file."""
    path = tmp_path / "taught.safetensors"
    saved = SavedNet.describe("small_cnn-2", open_images("digits").train, licence="CC BY-NC 4.0")
    saved.write(saved.build(), path)
    done = run(tmp_path, "digits/hkd", f"teacher.weights={path}")
    assert "licence of its weights: CC BY-NC 4.0" in card_of(done)
    kept = SavedNet.read(done.path("model.safetensors"))
    assert kept is not None
    assert kept.licence == "CC BY-NC 4.0"
    words = [f"net.weights={done.path('model.safetensors')}"]
    again = run(tmp_path / "again", "digits/classify", *words)
    assert "licence of these weights: CC BY-NC 4.0" in card_of(again)


def test_embeddings_of_length_one_stay_so_in_the_files(tmp_path: Path) -> None:
    done = run(tmp_path, "digits/embed", "net.embedding_dim=4")
    assert "an embedding of 4 numbers of length one" in card_of(done)
    for name in ("model", "best"):
        net = open_net(done.path(f"{name}.safetensors"))
        assert isinstance(net, UnitLength)
        lengths = net(torch.rand(5, 1, 8, 8)).norm(dim=1)
        torch.testing.assert_close(lengths, torch.ones(5))


def test_a_file_that_is_parseval_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    saved = SavedNet.describe("small_cnn-2", open_images("digits").train, parseval=True)
    saved.write(saved.build(), path)
    done = run(tmp_path, "digits/classify", f"net.weights={path}")
    kept = SavedNet.read(done.path("model.safetensors"))
    assert kept is not None
    assert kept.parseval
