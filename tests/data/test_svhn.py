from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from tests.data.making import pixels
from torchlgg.core import InputError
from torchlgg.data import open_images

TRAIN, TEST = "train_32x32.mat", "test_32x32.mat"


def write(path: Path, images: np.ndarray, labels: list[int], **options: Any) -> None:
    """(N, 32, 32, 3) pixels, with the axes and the labels of the published files."""
    column = np.array(labels, dtype=np.uint8)[:, None]
    savemat(path, {"X": images.transpose(1, 2, 3, 0), "y": column}, **options)


@pytest.fixture
def svhn(tmp_path: Path) -> Path:
    write(tmp_path / TRAIN, pixels(0, 12, 32, 32, 3), [10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1])
    write(tmp_path / TEST, pixels(1, 3, 32, 32, 3), [9, 10, 4])
    return tmp_path


def test_the_label_ten_is_the_digit_nought(svhn: Path) -> None:
    (svhn / "extra_32x32.mat").write_bytes(b"not looked at")
    train, test = open_images(svhn)
    assert train.class_names == tuple("0123456789")
    assert train.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert test.labels.tolist() == [9, 0, 4]
    np.testing.assert_array_equal(train.images.permute(0, 2, 3, 1), pixels(0, 12, 32, 32, 3))
    np.testing.assert_array_equal(test.images.permute(0, 2, 3, 1), pixels(1, 3, 32, 32, 3))
    assert (train.statistics, train.source) == ("computed", f"{svhn.name}: train")


def test_compressed_files_are_read(svhn: Path) -> None:
    expected = open_images(svhn)
    write(svhn / TEST, pixels(1, 3, 32, 32, 3), [9, 10, 4], do_compression=True)
    assert open_images(svhn).test.content_hash() == expected.test.content_hash()


def test_limit_is_a_random_sample(svhn: Path) -> None:
    whole = open_images(svhn).train
    parts = [open_images(svhn, limit=5, seed=seed).train for seed in (1, 1, 2)]
    assert [len(part) for part in parts] == [5, 5, 5]
    assert parts[0].content_hash() == parts[1].content_hash() != parts[2].content_hash()
    images = {image.numpy().tobytes() for image in whole.images}
    assert all(image.numpy().tobytes() in images for image in parts[2].images)
    assert parts[0].source == f"{svhn.name}: train, 5 of 12 images"


def test_a_missing_file_is_named(svhn: Path) -> None:
    (svhn / TEST).unlink()
    with pytest.raises(
        InputError, match=f"must hold {TRAIN} and {TEST}, but in .* there is no {TEST}; fetch"
    ):
        open_images(svhn)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_anywhere_gets_a_sentence(svhn: Path, compressed: bool) -> None:
    path = svhn / TEST
    write(path, pixels(1, 3, 32, 32, 3), [9, 10, 4], do_compression=compressed)
    whole = path.read_bytes()
    where = re.escape(str(path))
    for length in range(0, len(whole), max(1, len(whole) // 25)):
        path.write_bytes(whole[:length])
        with pytest.raises(
            InputError, match=rf"^`source`: {where} (cannot be read as a MATLAB|must hold `X`)"
        ) as caught:
            open_images(svhn)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"X": pixels(0, 32, 32, 3, 2)}, "must hold `X`, uint8 of shape"),
        (
            {"X": pixels(0, 32, 32, 3, 2), "y": [[1], [2], [3]]},
            "must hold `X`, .* and `y`, a label for each image",
        ),
        ({"X": pixels(0, 32, 32, 3, 2).astype(float), "y": [[1], [2]]}, "must hold `X`, uint8 of"),
        ({"X": pixels(0, 2, 32, 32, 3), "y": [[1], [2], [3]]}, "must hold `X`, uint8 of shape"),
        (
            {"X": pixels(0, 32, 32, 3, 2), "y": [[1], [0]]},
            "row 1 must have a label between 1 and 10, where 10 is the digit 0, got 0$",
        ),
        ({"X": pixels(0, 32, 32, 3, 2), "y": [[1.5], [1]]}, "row 0 must have a label .* got 1.5$"),
    ],
)
def test_what_is_wrong_is_named(held: dict[str, Any], message: str, svhn: Path) -> None:
    savemat(svhn / TRAIN, held)
    with pytest.raises(InputError, match=f"^`source`: .*{TRAIN} {message}"):
        open_images(svhn)
