from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.making import pixels, write_class_folders, write_image
from torchlgg.core import InputError
from torchlgg.data import ImageFiles, Splits, batches, open_images, split_validation
from torchlgg.data import _image_files as module
from torchlgg.data import _on_disk as on_disk
from torchlgg.data._pixels import StoredImage, decode_image, read_header

CIFAR_BEYOND = ("dog", "frog", "horse", "ship", "truck")

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def on_disk_splits(folder: Path, **options: Any) -> Splits[ImageFiles]:
    return open_images(folder, **{"image_size": 8, "in_memory": False, "workers": 0} | options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of many sizes, modes and turns, in train and val."""
    root = tmp_path / "birds"
    for split, count in (("train", 12), ("val", 5)):
        for label, name in enumerate(("crow", "owl", "tit")):
            for number in range(count):
                height, width = 6 + 5 * (number % 4), 9 + 4 * (number % 3)
                image = pixels(100 * label + number + len(split), height, width, 3)
                write_image(root / split / name / "deep" / f"{number:02d}.png", image)
    write_image(root / "train" / "crow" / "grey.png", pixels(1, 9, 30))
    turned = Image.fromarray(pixels(2, 20, 10, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(root / "train" / "owl" / "turned.jpg", exif=exif)
    return root


def decoded(files: ImageFiles, batch_size: int = 7) -> torch.Tensor:
    return torch.cat(list(files.pixels(batches(len(files), batch_size=batch_size))))


@pytest.mark.parametrize("test_split", [True, False])
def test_pixels_are_those_of_the_set_in_memory(test_split: bool, folder: Path) -> None:
    source = folder if test_split else folder / "train"
    whole = open_images(source, image_size=8, in_memory=True, seed=3, limit=20)
    files = on_disk_splits(source, seed=3, limit=20)
    for one, other in zip(files, whole, strict=True):
        assert isinstance(one, ImageFiles)
        assert torch.equal(decoded(one), other.images)
        assert torch.equal(one.labels, other.labels)
        assert (len(one), one.shape) == (len(other), other.shape)
        for field in ("class_names", "mean", "std", "statistics", "source"):
            assert getattr(one, field) == getattr(other, field)
        batch = other.images[:3]
        assert torch.equal(one.normalize(batch), other.normalize(batch))
        plan = batches(len(one), batch_size=4, generator=torch.Generator().manual_seed(1))
        for found, expected in zip(one.pixels(plan), other.pixels(plan), strict=True):
            assert found.dtype == torch.uint8
            assert torch.equal(found, expected)


@pytest.mark.parametrize("workers", [1, 3, None])
def test_the_number_of_workers_does_not_matter(
    workers: int | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    alone = on_disk_splits(folder).train
    several = replace(alone, workers=workers)
    plan = batches(len(alone), batch_size=5, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(11)
    state = torch.get_rng_state()
    found = list(several.pixels(plan))
    assert torch.equal(torch.get_rng_state(), state)
    expected = list(alone.pixels(plan))
    assert torch.equal(torch.get_rng_state(), state)
    assert len(found) == len(plan)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize(("cpus", "workers"), [(1, 0), (2, 2), (6, 6), (64, 8)])
def test_the_default_is_one_worker_a_cpu(
    cpus: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cpus)), raising=False)
    assert module.default_workers() == workers


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: path.write_bytes(b"words"), "its content is no image format that Pillow kn"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), ""),
        (Path.unlink, r".*No such file or directory"),
    ],
    ids=["corrupt", "cut", "vanished"],
)
def test_an_image_lost_in_the_middle_is_named(
    workers: int, change: Any, reason: str, folder: Path
) -> None:
    files = on_disk_splits(folder, workers=workers).train
    row = 30
    path = folder / files.names[row]
    change(path)
    plan = batches(len(files), batch_size=8)
    came: list[torch.Tensor] = []
    with pytest.raises(
        InputError, match=f"^`source`: {re.escape(str(path))} does not decode: {reason}"
    ) as caught:
        came.extend(files.pixels(plan))
    assert len(came) <= row // 8
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_worker_that_dies_is_said_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = on_disk_splits(folder, workers=1).train
    monkeypatch.setattr(module, "decode_image", lambda *_, **__: os.kill(os.getpid(), 9))
    with pytest.raises(InputError, match=r"^`workers`: one of 1 processes .* died, .*; pass fewer"):
        next(iter(files.pixels(batches(len(files), batch_size=8))))


def test_a_pass_can_be_left_early(folder: Path) -> None:
    files = on_disk_splits(folder, workers=2).train
    passing = files.pixels(batches(len(files), batch_size=2))
    assert len(next(passing)) == 2
    passing.close()
    assert len(decoded(files)) == len(files)


def test_grey_folders_stay_grey(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            for number in range(3):
                write_image(tmp_path / split / name / f"{number}.png", pixels(number, 9, 12))
    Image.fromarray(pixels(7, 9, 12)).convert("LA").save(tmp_path / "train" / "a" / "alpha.png")
    whole = open_images(tmp_path, image_size=8, in_memory=True)
    for one, other in zip(on_disk_splits(tmp_path), whole, strict=True):
        assert one.shape == (1, 8, 8)
        assert torch.equal(decoded(one), other.images)

    files = on_disk_splits(tmp_path).train
    write_image(tmp_path / files.names[2], pixels(3, 9, 12, 3))
    with pytest.raises(InputError, match="has colours, but every image was grey when the folder"):
        decoded(files)
    for one in on_disk_splits(tmp_path):  # one in the training part makes both coloured
        assert one.shape == (3, 8, 8)
        assert decoded(one).shape[1:] == (3, 8, 8)


def test_statistics_of_a_sample_say_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_disk, "STATISTICS_SAMPLE", 10)
    calls: list[tuple[int, int]] = []
    train, test = on_disk_splits(folder, seed=4, progress=lambda *done: calls.append(done))
    assert calls == [(10, 10)]
    assert train.statistics == "computed"
    words = " (mean and std of 10 random training images)"
    assert (train.source, test.source) == (f"birds: train{words}", f"birds: val{words}")
    assert (train.mean, train.std) == (test.mean, test.std)
    every = open_images(folder, image_size=8, in_memory=True).train
    assert train.mean != every.mean
    np.testing.assert_allclose(train.mean, every.mean, atol=0.05)
    assert on_disk_splits(folder, seed=4).train.mean == train.mean
    assert on_disk_splits(folder, seed=5).train.mean != train.mean


def test_given_statistics_need_no_sample(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(on_disk, "PixelReader")
    options = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.1, 0.3)}
    train, test = on_disk_splits(folder, **options)
    assert (train.mean, test.std, train.statistics) == ((0.5, 0.4, 0.3), (0.2, 0.1, 0.3), "given")
    assert train.source == "birds: train"


def test_published_statistics_need_no_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_disk, "STATISTICS_SAMPLE", 5)
    names = ("airplane", "automobile", "bird", "cat", "deer")
    write_class_folders(tmp_path, dict.fromkeys((*names, *CIFAR_BEYOND), 2))
    train = on_disk_splits(tmp_path, image_size=32).train
    assert (train.statistics, train.mean[0]) == ("published", 0.4914)
    assert train.source == f"{tmp_path.name}: train (random fifth for testing, seed=0)"


def test_content_hash_is_of_names_sizes_labels_and_shape(folder: Path, tmp_path: Path) -> None:
    files = on_disk_splits(folder).train
    digest = files.content_hash()
    assert on_disk_splits(folder, seed=9, workers=3).train.content_hash() == digest
    moved = folder.rename(tmp_path / "elsewhere")
    assert on_disk_splits(moved).train.content_hash() == digest
    assert on_disk_splits(moved, image_size=9).train.content_hash() != digest
    files = replace(files, folder=moved)
    assert files.content_hash() == digest
    assert replace(files, labels=files.labels.flip(0)).content_hash() != digest
    assert files.subset(range(1, len(files))).content_hash() != digest
    path = moved / files.names[3]
    path.write_bytes(path.read_bytes() + b"\0")
    assert files.content_hash() != digest
    path.unlink()
    with pytest.raises(InputError, match=f"^`source`: {re.escape(str(path))} was there when .*No"):
        files.content_hash()


def test_subset_and_validation_take_names_and_labels(folder: Path) -> None:
    files = on_disk_splits(folder).train
    part = files.subset([5, 0, 5])
    assert torch.equal(decoded(part), decoded(files)[[5, 0, 5]])
    assert part.labels.tolist() == files.labels[[5, 0, 5]].tolist()
    with pytest.raises(InputError, match="`indices` must lie between 0 and 37 for 38 images, got"):
        files.subset([38])

    memory = open_images(folder, image_size=8, in_memory=True).train
    for one, other in zip(
        split_validation(files, fraction=0.3, seed=5),
        split_validation(memory, fraction=0.3, seed=5),
        strict=True,
    ):
        assert isinstance(one, ImageFiles)
        assert torch.equal(decoded(one), other.images)
        assert (one.source, one.mean) == (other.source, other.mean)


def test_what_is_too_large_stays_on_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 53 * 3 * 8 * 8  # 3 * (12 + 5) + 2 images
    assert on_disk.LARGEST_IN_MEMORY == 4 * 1024**3
    monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY", size)
    assert not isinstance(open_images(folder, image_size=8).train, ImageFiles)
    monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY", size - 1)
    for part in open_images(folder, image_size=8):
        assert isinstance(part, ImageFiles)
    assert not isinstance(open_images(folder, image_size=8, in_memory=True).train, ImageFiles)
    assert not isinstance(open_images(folder, image_size=8, limit=10).train, ImageFiles)


def test_what_is_too_large_needs_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_class_folders(tmp_path, {"a": 5, "b": 5})
    monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY", 899)
    with pytest.raises(
        InputError, match=r"`image_size` must be given for more than .* 10 images of 6 x 5 take"
    ):
        open_images(tmp_path)
    monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY", 900)
    assert len(open_images(tmp_path).train) == 8


def test_grey_images_take_a_third(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        for number in range(5):
            write_image(tmp_path / name / f"{number}.png", pixels(number, 9, 12))
    monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY", 10 * 8 * 8)
    assert not isinstance(open_images(tmp_path, image_size=8).train, ImageFiles)
    monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY", 10 * 9 * 12)
    assert not isinstance(open_images(tmp_path).train, ImageFiles)


def test_a_small_folder_is_not_looked_through(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(on_disk, "read_header")
    assert len(open_images(folder, image_size=8).train) == 38


def test_a_header_says_what_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    deep = np.random.default_rng(4).integers(0, 2**16, (6, 5), dtype=np.uint16)
    palette = Image.fromarray(pixels(0, 6, 5)).convert("P")
    turned = Image.Exif()
    turned[0x0112] = 8
    for picture, options in (
        (Image.fromarray(pixels(0, 6, 5, 3)), {}),
        (Image.fromarray(pixels(0, 6, 5)), {"exif": turned}),
        (Image.fromarray(pixels(0, 6, 5, 4)), {"exif": turned}),
        (Image.fromarray(pixels(0, 6, 5) > 99), {}),
        (Image.fromarray(pixels(0, 6, 5)).convert("LA"), {}),
        (Image.fromarray(deep), {}),
        (palette, {}),
    ):
        picture.save(path, **options)
        image = decode_image(StoredImage(path, "here"), image_size=None)
        assert read_header(path) == (*image.shape[:2], image.ndim == 2)


def test_only_folders_of_images_stay_on_disk(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`in_memory` can be False only for a folder with one fol"):
        open_images("digits", in_memory=False, image_size=8)
    write_class_folders(tmp_path, {"a": 5, "b": 5})
    with pytest.raises(InputError, match="`image_size` must be given when images are left on disk"):
        open_images(tmp_path, in_memory=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ()}, "`names` must name at least one image, got none"),
        ({"labels": torch.tensor([0])}, "the same examples: 2 images, 1 labels"),
        ({"labels": torch.tensor([0, 2])}, "`labels` must lie between 0 and 1"),
        ({"class_names": ("a", "a")}, "`class_names` must be all different"),
        ({"channels": 4}, "`channels` must be 1 or 3, got 4"),
        ({"mean": (0.5, 0.5, 0.5)}, "`mean` must be a tuple of one number a channel, 1 in all"),
        ({"std": (0.0,)}, "`std` must be positive"),
        ({"image_size": 0}, "`image_size` must be a whole number of at least 1, got 0"),
        ({"workers": -1}, "`workers` must be a whole number of at least 0, got -1"),
        ({"workers": True}, "`workers` must be a whole number of at least 0, got True"),
    ],
)
def test_a_field_that_does_not_fit_is_named(changes: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {
        "folder": Path("nowhere"),
        "names": ("a.png", "b.png"),
        "labels": torch.tensor([0, 1]),
        "class_names": ("a", "b"),
        "image_size": 8,
        "channels": 1,
        "mean": (0.5,),
        "std": (0.5,),
        "source": "a test",
    }
    assert len(ImageFiles(**fields)) == 2
    with pytest.raises(InputError, match=re.escape(message)):
        ImageFiles(**fields | changes)
