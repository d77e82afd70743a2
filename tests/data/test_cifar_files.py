from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.making import pixels, write_parquet_folder
from tests.shared import SHARED, needs_shared
from torchlgg.core import InputError
from torchlgg.data import ImageSet, from_dataset, open_images
from torchlgg.data._pixels import resize_and_crop

TEN = "cifar-10-batches-py"
HUNDRED = "cifar-100-python"
NAMES = [
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
]
FINE = [f"fine {number}" for number in range(100)]


def dump(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=2))


def write_ten(
    folder: Path, images: np.ndarray, labels: list[int], test: np.ndarray, test_labels: list[int]
) -> None:
    """The five batches, the test batch and the names, from (N, 3, 32, 32) pixels."""
    rows = np.array_split(np.arange(len(images)), 5)
    for number, row in enumerate(rows, start=1):
        batch = {"data": images[row].reshape(len(row), -1), "labels": [labels[i] for i in row]}
        dump(folder / f"data_batch_{number}", {"batch_label": f"batch {number}", **batch})
    dump(folder / "test_batch", {"data": test.reshape(len(test), -1), "labels": test_labels})
    dump(folder / "batches.meta", {"label_names": NAMES, "num_vis": 3072})


def write_hundred(folder: Path) -> np.ndarray:
    images = pixels(3, 12, 3, 32, 32)
    for name, rows in (("train", range(9)), ("test", range(9, 12))):
        fine = [(7 * row) % 100 for row in rows]
        data = images[list(rows)].reshape(len(rows), -1)
        dump(folder / name, {"data": data, "fine_labels": fine, "coarse_labels": [0] * len(rows)})
    dump(folder / "meta", {"fine_label_names": FINE, "coarse_label_names": ["all"]})
    return images


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    folder = tmp_path / TEN
    write_ten(
        folder,
        pixels(1, 23, 3, 32, 32),
        [row % 10 for row in range(23)],
        pixels(2, 4, 3, 32, 32),
        [9, 8, 7, 6],
    )
    return folder


def same(one: ImageSet, other: ImageSet) -> None:
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.labels, other.labels)
    for field in ("class_names", "mean", "std", "statistics"):
        assert getattr(one, field) == getattr(other, field)


def test_the_batches_are_joined_in_order(ten: Path) -> None:
    for source in (ten, ten.parent):
        train, test = open_images(source)
        np.testing.assert_array_equal(train.images, pixels(1, 23, 3, 32, 32))
        np.testing.assert_array_equal(test.images, pixels(2, 4, 3, 32, 32))
        assert train.labels.tolist() == [row % 10 for row in range(23)]
        assert test.labels.tolist() == [9, 8, 7, 6]
        assert (train.statistics, train.mean) == ("published", (0.4914, 0.4822, 0.4465))
        assert train.source == f"{source.name}: train"
    train.images[0] = 0  # the memory is the set's own


def test_limit_takes_the_first_images(ten: Path) -> None:
    calls: list[tuple[int, int]] = []
    part = open_images(ten, limit=7, progress=lambda *done: calls.append(done))
    np.testing.assert_array_equal(part.train.images, pixels(1, 23, 3, 32, 32)[:7])
    assert part.train.source == f"{TEN}: train, 7 of 23 images"
    assert calls == [(7, 11), (11, 11)]


@pytest.mark.parametrize("size", [16, 40, 32])
def test_images_are_resized_as_files_are(size: int, ten: Path) -> None:
    train = open_images(ten, image_size=size, limit=3).train
    for found, image in zip(train.images, pixels(1, 23, 3, 32, 32), strict=False):
        picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        expected = np.asarray(resize_and_crop(picture, size)).transpose(2, 0, 1)
        np.testing.assert_array_equal(found, expected)


def test_a_hundred_classes_are_the_fine_ones(tmp_path: Path) -> None:
    images = write_hundred(tmp_path / HUNDRED)
    for source in (tmp_path, tmp_path / HUNDRED):
        train, test = open_images(source)
        assert train.class_names == tuple(FINE)
        assert train.labels.tolist() == [(7 * row) % 100 for row in range(9)]
        assert test.labels.tolist() == [63, 70, 77]
        np.testing.assert_array_equal(torch.cat([train.images, test.images]), images)


def test_files_are_known_without_the_name_of_the_folder(ten: Path, tmp_path: Path) -> None:
    ten.rename(tmp_path / "mine")
    assert len(open_images(tmp_path / "mine").train) == 23


@pytest.mark.parametrize("hundred", [False, True])
def test_records_of_bytes(hundred: bool, tmp_path: Path) -> None:
    folder = tmp_path / ("cifar-100-binary" if hundred else "cifar-10-batches-bin")
    folder.mkdir()
    images = pixels(6, 6, 3 * 32 * 32)
    labels = np.array([[1], [0], [1], [2], [0], [2]], dtype=np.uint8)
    coarse = np.full((6, 1), 77, dtype=np.uint8)
    records = np.concatenate([*([coarse] if hundred else []), labels, images], axis=1)
    names = ["train.bin"] if hundred else [f"data_batch_{number}.bin" for number in range(1, 6)]
    for name, part in zip(names, np.array_split(records[:5], len(names)), strict=True):
        (folder / name).write_bytes(part.tobytes())
    (folder / ("test.bin" if hundred else "test_batch.bin")).write_bytes(records[5:].tobytes())
    listed = "fine_label_names.txt" if hundred else "batches.meta.txt"
    (folder / listed).write_text("owl\nelk\nemu\n\n")
    train, test = open_images(tmp_path)
    assert train.class_names == ("owl", "elk", "emu")
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 0, 1, 2, 0], [2])
    np.testing.assert_array_equal(
        torch.cat([train.images, test.images]), images.reshape(6, 3, 32, 32)
    )
    cut = folder / ("test.bin" if hundred else "test_batch.bin")
    cut.write_bytes(records[5:].tobytes()[:-1])
    with pytest.raises(InputError, match=r"test.*bin must hold records of \d+ bytes, but has \d+ "):
        open_images(tmp_path)


def test_two_sets_in_a_folder_are_a_question(ten: Path, tmp_path: Path) -> None:
    write_hundred(tmp_path / HUNDRED)
    with pytest.raises(
        InputError,
        match=f"holds {TEN}, {HUNDRED}; pass {re.escape(str(ten))} or another of them$",
    ):
        open_images(tmp_path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "data_batch_3",
            Path.unlink,
            f"must hold all files of {TEN}, but in .* there is no data_batch_3; fetch what is",
        ),
        ("data_batch_2", cut, "data_batch_2 cannot be read as a pickle: .*; fetch it again$"),
        ("batches.meta", cut, "batches.meta cannot be read as a pickle: .*; fetch it again$"),
        ("test_batch", lambda p: p.write_bytes(b""), "test_batch cannot be read as a pickle: "),
        (
            "data_batch_1",
            lambda p: dump(p, {"data": np.zeros((2, 99), np.uint8), "labels": [0, 1]}),
            "data_batch_1 must hold `data` with 3072 bytes an image and a label for each in `lab",
        ),
        (
            "data_batch_1",
            lambda p: dump(p, {"data": np.zeros((2, 3072), np.uint8), "labels": [0]}),
            "data_batch_1 must hold `data` with 3072 bytes an image and a label for each in `lab",
        ),
        ("data_batch_1", lambda p: dump(p, [1, 2]), "data_batch_1 must hold `data` with 3072"),
        (
            "data_batch_1",
            lambda p: dump(p, {"data": np.zeros((2, 3072), np.uint8), "labels": [[0], [0, 1]]}),
            "data_batch_1 must hold `data` with 3072",
        ),
        (
            "test_batch",
            lambda p: dump(p, {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10]}),
            "test_batch row 1 must have a label between 0 and 9, got 10$",
        ),
        ("batches.meta", lambda p: dump(p, {}), "batches.meta must name the classes in `label_na"),
        (
            "batches.meta",
            lambda p: dump(p, {"label_names": ["a", "a"]}),
            "batches.meta: `class_names` must be all different, but 'a' comes twice; fetch it",
        ),
    ],
)
def test_what_is_wrong_is_named(
    name: str, change: Callable[[Path], Any], message: str, ten: Path
) -> None:
    change(ten / name)
    with pytest.raises(InputError, match=message) as caught:
        open_images(ten)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("`source`")


def test_labels_may_be_an_array(ten: Path) -> None:
    data = np.zeros((2, 3072), np.uint8)
    dump(ten / "test_batch", {"data": data, "labels": np.array([3, 4])})
    assert open_images(ten).test.labels.tolist() == [3, 4]


def test_parquet_files_go_before_a_folder_of_batches(ten: Path) -> None:
    write_parquet_folder(ten.parent)
    assert open_images(ten.parent).train.class_names == ("crow", "asp", "bee")


@needs_shared
def test_both_forms_of_the_real_set_are_identical(tmp_path: Path) -> None:
    parquet = SHARED / "datasets" / "cifar10"
    expected = open_images(parquet, limit=1000)
    write_ten(
        tmp_path / TEN,
        expected.train.images.numpy(),
        expected.train.labels.tolist(),
        expected.test.images.numpy(),
        expected.test.labels.tolist(),
    )
    for one, other in zip(open_images(tmp_path), expected, strict=True):
        same(one, other)
    for one, other in zip(
        open_images(tmp_path, limit=300, image_size=24),
        open_images(parquet, limit=300, image_size=24),
        strict=True,
    ):
        same(one, other)


def test_torchvision_reads_the_same(ten: Path) -> None:
    from torchvision.datasets import CIFAR10

    class Unchecked(CIFAR10):
        def _check_integrity(self) -> bool:
            return True

        def _load_meta(self) -> None:
            self.classes = NAMES

    for theirs, ours in zip(
        (Unchecked(ten.parent), Unchecked(ten.parent, train=False)),
        open_images(ten.parent),
        strict=True,
    ):
        assert theirs.targets == ours.labels.tolist()
        np.testing.assert_array_equal(theirs.data, ours.images.permute(0, 2, 3, 1))
        same(from_dataset(theirs), ours)
