"""Files of corrupted images: written, cut off and gone on with, and read as published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.corruptions.making import pictures
from torchlgg.core import InputError
from torchlgg.corruptions import _write, corrupt, open_corrupted, write_corrupted

IMAGES = pictures(5)
LABELS = torch.tensor([3, 1, 4, 1, 5])
NAMES = ["fog", "gaussian_noise", "contrast"]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_write, "_STEP", 2)


def test_the_layout_is_the_published_one(tmp_path: Path) -> None:
    paths = write_corrupted(IMAGES, tmp_path / "cache", names=NAMES, seed=3, labels=LABELS)
    assert [path.name for path in paths] == ["fog.npy", "gaussian_noise.npy", "contrast.npy"]
    found = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert found == sorted([*(f"{name}.npy" for name in NAMES), "corruptions.json", "labels.npy"])
    for name, path in zip(NAMES, paths, strict=True):
        array = np.load(path, allow_pickle=False)
        expected = np.concatenate(
            [
                corrupt(IMAGES, name, severity, seed=3).permute(0, 2, 3, 1).numpy()
                for severity in (1, 2, 3, 4, 5)
            ]
        )
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, expected)
    labels = np.load(tmp_path / "cache" / "labels.npy")
    assert labels.dtype == np.uint8
    assert labels.tolist() == [3, 1, 4, 1, 5] * 5


def test_numpys_own_writer_makes_the_same_file(tmp_path: Path) -> None:
    (path,) = write_corrupted(IMAGES, tmp_path, names=["fog"])
    np.save(tmp_path / "other.npy", np.load(path))
    assert path.read_bytes() == (tmp_path / "other.npy").read_bytes()


def test_what_is_written_is_opened_without_being_loaded(tmp_path: Path) -> None:
    paths = write_corrupted(IMAGES, tmp_path, names=NAMES, seed=3, labels=LABELS)
    before = paths[0].read_bytes()
    images, labels = open_corrupted(tmp_path, "fog", 4)
    assert torch.equal(images, corrupt(IMAGES, "fog", 4, seed=3))
    assert labels is not None
    assert torch.equal(labels, LABELS)
    images[:] = 0
    assert paths[0].read_bytes() == before
    with pytest.raises(InputError, match=r"has no snow.npy; it holds gaussian_noise, fog, contr"):
        open_corrupted(tmp_path, "snow", 1)


def test_some_severities(tmp_path: Path) -> None:
    write_corrupted(IMAGES, tmp_path, names=["fog"], severities=[5, 2])
    assert torch.equal(open_corrupted(tmp_path, "fog", 5).images, corrupt(IMAGES, "fog", 5))
    assert torch.equal(open_corrupted(tmp_path, "fog", 2).images, corrupt(IMAGES, "fog", 2))
    with pytest.raises(InputError, match=r"`severity` must be one of \[2, 5\]"):
        open_corrupted(tmp_path, "fog", 1)


@pytest.mark.parametrize("at", [1, 5, 13, 24, 25, 26, 60, 75])
def test_a_cut_off_call_is_gone_on_with(tmp_path: Path, at: int) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    expected = write_corrupted(IMAGES, whole, names=NAMES)
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corrupted(IMAGES, cut, names=NAMES, progress=stop)
    for name in NAMES:  # a file is whole or absent
        path = cut / f"{name}.npy"
        assert not path.exists() or path.read_bytes() == (whole / path.name).read_bytes()
    left: list[int] = []
    paths = write_corrupted(
        IMAGES, cut, names=NAMES, progress=lambda done, total: left.append(done)
    )
    for path, other in zip(paths, expected, strict=True):
        assert path.read_bytes() == other.read_bytes()
    assert left[-1] == seen[0][1] == 75
    assert left == sorted(left)
    assert not list(cut.glob(".*"))


def test_whole_severities_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        if done > 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corrupted(IMAGES, tmp_path, names=["fog"], progress=stop)
    said = json.loads((tmp_path / "corruptions.json").read_text())
    assert said["files"]["fog"]["done"] == [1, 2]
    with pytest.raises(InputError, match=r"fog.npy in .* is not finished"):
        open_corrupted(tmp_path, "fog", 1)
    made: list[int] = []
    block = _write._write_block

    def counted(images: Any, change: Any, file: Any, count: Any) -> None:
        made.append(1)
        block(images, change, file, count)

    monkeypatch.setattr(_write, "_write_block", counted)
    write_corrupted(IMAGES, tmp_path, names=["fog"])
    assert len(made) == 3
    write_corrupted(IMAGES, tmp_path, names=["fog"])
    assert len(made) == 3


def test_a_file_begun_with_other_software_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        if done > 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corrupted(IMAGES, tmp_path, names=["fog"], progress=stop)
    monkeypatch.setattr(_write, "versions", lambda: {"numpy": "0"})
    done: list[int] = []
    write_corrupted(IMAGES, tmp_path, names=["fog"], progress=lambda now, _: done.append(now))
    assert done[0] == 2  # images, not severities that are skipped
    said = json.loads((tmp_path / "corruptions.json").read_text())
    assert said["files"]["fog"] == {"done": [1, 2, 3, 4, 5], "versions": {"numpy": "0"}}


def test_the_description(tmp_path: Path) -> None:
    write_corrupted(IMAGES, tmp_path, names=["fog"], seed=8, severities=[1])
    said = json.loads((tmp_path / "corruptions.json").read_text())
    assert (said["seed"], said["constants"], said["severities"]) == (8, "cifar", [1])
    assert said["images_shape"] == [5, 3, 32, 32]
    assert len(said["images_sha256"]) == 64
    assert set(said["files"]["fog"]["versions"]) == {"torchlgg", "numpy", "scipy", "pillow"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"seed": 1}, "seed there is 0, here 1"),
        ({"severities": [1]}, r"severities there is \[1, 2, 3, 4, 5\], here \[1\]"),
        ({"images": 255 - IMAGES}, "images_sha256 there is"),
        ({"images": IMAGES[:4]}, "images_shape there is"),
        ({"resume": False}, "holds a cache already"),
        ({"severities": [1, 1]}, "`severities` must name at least one severity, each once"),
        ({"severities": []}, "`severities` must name at least one severity, each once"),
        ({"severities": [6]}, "`severity` must be a whole number from 1"),
        ({"names": "fog"}, "`names` must be a list of at least one corruption"),
        ({"names": []}, "`names` must be a list of at least one corruption"),
        ({"names": ["fog", "fog"]}, "`names` must be all different"),
        ({"names": ["frog"]}, "did you mean 'frost'|did you mean 'fog'"),
        ({"names": ["frost"]}, "`frost_images` must name a folder"),
        ({"images": IMAGES[:0]}, "`images` must hold at least one image"),
        ({"labels": LABELS[:2]}, r"`labels` must be a tensor of whole numbers \(5,\)"),
        ({"labels": LABELS * 100}, "`labels` must lie between 0 and 255"),
        ({"constants": "imagenet"}, "at least 64 rows"),
    ],
)
def test_refusals(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    write_corrupted(IMAGES, tmp_path, names=["fog"])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    images = options.pop("images", IMAGES)
    with pytest.raises(InputError, match=sentence):
        write_corrupted(images, tmp_path, **{"names": ["fog"], **options})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_corrupted(IMAGES, tmp_path / "a" / "b", names=["fog"])
    np.save(tmp_path / "fog.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"holds fog.npy of another origin"):
        write_corrupted(IMAGES, tmp_path, names=["fog"])
    (tmp_path / "corruptions.json").write_text("{}")
    with pytest.raises(InputError, match="does not describe corrupted images"):
        write_corrupted(IMAGES, tmp_path, names=["fog"])
    with pytest.raises(InputError, match="does not describe corrupted images"):
        open_corrupted(tmp_path, "fog", 1)


def test_files_of_others(tmp_path: Path) -> None:
    published = np.arange(5 * 2 * 4 * 4 * 3, dtype=np.uint8).reshape(10, 4, 4, 3)
    np.save(tmp_path / "snow.npy", published)
    np.save(tmp_path / "labels.npy", np.tile(np.array([7, 9], dtype=np.uint8), 5))
    images, labels = open_corrupted(tmp_path, "snow", 2)
    np.testing.assert_array_equal(images.permute(0, 2, 3, 1).numpy(), published[2:4])
    assert labels is not None
    assert labels.tolist() == [7, 9]
    for array, sentence in (
        (published[:9], "same number of images for each of 5 severities, but holds 9"),
        (published.astype(float), "must hold uint8 images .* holds float64"),
        (published[..., :2], "must hold uint8 images"),
    ):
        np.save(tmp_path / "fog.npy", array)
        with pytest.raises(InputError, match=sentence):
            open_corrupted(tmp_path, "fog", 1)
    np.save(tmp_path / "fog.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"is not a whole .npy array of numbers"):
        open_corrupted(tmp_path, "fog", 1)
    (tmp_path / "fog.npy").write_bytes((tmp_path / "snow.npy").read_bytes()[:200])
    with pytest.raises(InputError, match=r"is not a whole .npy array of numbers"):
        open_corrupted(tmp_path, "fog", 1)
    np.save(tmp_path / "labels.npy", np.zeros(4, dtype=np.uint8))
    with pytest.raises(InputError, match="must hold 10 whole numbers"):
        open_corrupted(tmp_path, "snow", 1)
    with pytest.raises(InputError, match="`folder` must be a folder that exists"):
        open_corrupted(tmp_path / "absent", "snow", 1)
    with pytest.raises(InputError, match="`name` must be that of a corruption"):
        open_corrupted(tmp_path, "../snow", 1)


def test_frost_of_other_photographs_is_not_mixed_in(tmp_path: Path) -> None:
    from PIL import Image

    folders = [tmp_path / "one", tmp_path / "two"]
    for level, folder in enumerate(folders):
        folder.mkdir()
        Image.new("RGB", (200, 200), (level, 0, 0)).save(folder / "a.png")
    cache = tmp_path / "cache"
    write_corrupted(IMAGES, cache, names=["fog"])
    write_corrupted(IMAGES, cache, names=["frost"], frost_images=folders[0])
    said = json.loads((cache / "corruptions.json").read_text())
    assert list(said["frost_images"]) == ["a.png"]
    assert set(said["files"]) == {"fog", "frost"}
    with pytest.raises(InputError, match="holds frost of other photographs"):
        write_corrupted(IMAGES, cache, names=["frost"], frost_images=folders[1])
