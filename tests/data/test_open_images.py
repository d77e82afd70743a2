from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import interpolate

from tests.data.making import write_class_folders, write_parquet_folder
from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images


def rows(images: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.images}


def test_digits_are_scaled_and_split_once_and_for_all() -> None:
    train, test = open_images("digits")
    assert train.images.shape == (1438, 1, 8, 8)
    assert test.images.shape == (359, 1, 8, 8)
    assert train.class_names == test.class_names == tuple("0123456789")
    assert (train.source, test.source) == ("digits: train", "digits: test")
    assert train.statistics == "computed"

    digits = load_digits()
    counts = np.bincount(digits.target)
    np.testing.assert_array_equal(test.labels.bincount(), np.floor(counts / 5 + 0.5))

    def key(image: np.ndarray, label: int) -> tuple[bytes, int]:
        return (image.astype(np.uint8).tobytes(), int(label))

    scaled = [[round(v * 255 / 16) for v in image.flat] for image in digits.images]
    expected = sorted(key(np.array(x), y) for x, y in zip(scaled, digits.target, strict=True))
    found = sorted(
        key(image.numpy(), label)
        for part in (train, test)
        for image, label in zip(part.images, part.labels.tolist(), strict=True)
    )
    assert found == expected

    again = open_images("digits", seed=9)
    assert again.train.content_hash() == train.content_hash()
    assert again.test.content_hash() == test.content_hash()


def test_limited_digits_are_a_fair_sample_of_the_training_part() -> None:
    whole = open_images("digits")
    part, smaller = open_images("digits", limit=300), open_images("digits", limit=120)
    assert len(part.train) == 300
    assert part.train.source == "digits: train, 300 of 1438 images"
    assert part.test.content_hash() == whole.test.content_hash()
    assert rows(smaller.train) < rows(part.train) < rows(whole.train)
    assert rows(part.train) != {image.numpy().tobytes() for image in whole.train.images[:300]}
    assert int(part.train.labels.bincount(minlength=10).min()) >= 15
    assert len(open_images("digits", limit=10_000).train) == 1438


def test_digits_can_be_resized() -> None:
    small, large = open_images("digits", limit=5), open_images("digits", limit=5, image_size=16)
    assert large.train.images.shape == (5, 1, 16, 16)
    assert large.test.images.shape == (359, 1, 16, 16)
    assert torch.equal(large.train.labels, small.train.labels)
    expected = interpolate(small.train.images.float(), (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(large.train.images.float(), expected, rtol=0, atol=1.01)


def test_statistics_are_those_of_the_training_images_in_both_sets(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    for source in ("digits", tmp_path):
        train, test = open_images(source)
        values = train.images.numpy().astype(np.float64) / 255
        np.testing.assert_allclose(train.mean, values.mean((0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(train.std, values.std((0, 2, 3)), rtol=1e-12)
        assert (test.mean, test.std, test.statistics) == (train.mean, train.std, "computed")


@pytest.mark.parametrize("kind", ["digits", "parquet", "folders"])
def test_progress_ends_with_all_images(kind: str, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    if kind == "parquet":
        write_parquet_folder(tmp_path)
    if kind == "folders":
        write_class_folders(tmp_path, {"a": 9, "b": 8})
    train, test = open_images(
        "digits" if kind == "digits" else tmp_path,
        limit=11,
        progress=lambda done, total: calls.append((done, total)),
    )
    total = len(train) + len(test)
    assert calls[-1] == (total, total)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert {total for _, total in calls} == {total}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "`limit` must be a whole number of at least 1, got 0"),
        ({"limit": 2.5}, "`limit` must be a whole number of at least 1, got 2.5"),
        ({"limit": True}, "`limit` must be a whole number of at least 1, got True"),
        ({"image_size": -8}, "`image_size` must be a whole number of at least 1, got -8"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0, got -1"),
        ({"seed": None}, "`seed` must be a whole number of at least 0, got None"),
        ({"mean": (0.5,)}, "`std` must be given with `mean`, got `mean` alone"),
        ({"std": (0.5,)}, "`mean` must be given with `std`, got `std` alone"),
        (
            {"mean": (0.5, 0.5), "std": (0.5, 0.5)},
            "`mean` must be a tuple of one number a channel, 1 or 3 in all, got (0.5, 0.5)",
        ),
        (
            {"mean": (0.5,), "std": (0.5, 0.5, 0.5)},
            "`std` must be a tuple of one number a channel, 1 in all, got (0.5, 0.5, 0.5)",
        ),
        (
            {"mean": ("a",), "std": (0.5,)},
            "`mean` must be a tuple of one number a channel, 1 in all, got ('a',)",
        ),
        ({"mean": (0.5,), "std": (0,)}, "`std` must be positive in every channel, got (0,)"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        open_images("digits", **options)


@pytest.mark.parametrize("source", [None, 3, b"digits"])
def test_a_source_of_another_type_is_refused(source: Any) -> None:
    with pytest.raises(InputError, match=f"`source` must be 'digits', .* got .*{source!r}"):
        open_images(source)


def test_a_source_that_does_not_exist_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path / "flowers" / "train", {"rose": 1})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"'digit' does not exist: .* mean 'digits'\?"):
        open_images("digit")
    with pytest.raises(InputError, match=r"'flowrs' does not exist: .* mean 'flowers'\?"):
        open_images("flowrs")
    deep = tmp_path / "flower" / "train"
    with pytest.raises(
        InputError,
        match=f"{re.escape(repr(str(deep)))} does not exist: there is no 'flower' in "
        f"{re.escape(str(tmp_path))}; did you mean 'flowers'",
    ):
        open_images(deep)


def test_a_file_is_not_a_source(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    with pytest.raises(InputError, match="is a file; pass the folder it lies in"):
        open_images(tmp_path / "test-00000-of-00001.parquet")
    (tmp_path / "images.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match="is a file; if it is an archive, unpack it"):
        open_images(str(tmp_path / "images.zip"))


def test_an_empty_folder_is_not_a_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has neither parquet files nor folders"):
        open_images(tmp_path)


def test_parquet_files_one_folder_down_are_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write_parquet_folder(tmp_path / "data")
    inner = re.escape(str(tmp_path / "data"))
    with pytest.raises(InputError, match=f"lie in 'data': pass {inner}$"):
        open_images(tmp_path)


def test_a_folder_that_cannot_be_read_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path, {"a": 2, "b": 2})
    scandir = os.scandir

    def locked(path: Any) -> Any:
        if os.fspath(path) == str(tmp_path / "b"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(
        InputError,
        match=f"^`source` must be a folder that can be read, but {re.escape(str(tmp_path / 'b'))} "
        f"cannot: Permission denied$",
    ):
        open_images(tmp_path)


def test_importing_loads_nothing_that_reads_files() -> None:
    heavy = "{'PIL', 'pyarrow', 'sklearn', 'scipy'}"
    code = f"import sys, torchlgg.data; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_reading_leaves_the_global_random_states_alone(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 6, "b": 5})
    state, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    open_images(tmp_path, limit=4)
    open_images("digits", limit=4)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], legacy)


def test_a_given_normalisation_is_used(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    for part in open_images(tmp_path, mean=mean, std=std):
        assert (part.mean, part.std, part.statistics) == (mean, std, "given")
    with pytest.raises(InputError, match="`mean` must be a tuple of one number a channel, 3 in"):
        open_images(tmp_path, mean=(0.1,), std=(0.4,))


def test_three_numbers_make_three_channels_of_grey() -> None:
    grey = open_images("digits", limit=9)
    three = open_images("digits", limit=9, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    for one, other in zip(grey, three, strict=True):
        assert other.shape == (3, 8, 8)
        assert torch.equal(other.images, one.images.expand(-1, 3, -1, -1))
        assert other.images.is_contiguous()
