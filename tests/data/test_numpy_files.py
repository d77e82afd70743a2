from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.making import pixels
from torchlgg.core import InputError
from torchlgg.data import open_images

TRAIN, TEST = pixels(0, 9, 6, 5, 3), pixels(1, 4, 6, 5, 3)


def arrays(**changes: Any) -> dict[str, Any]:
    usual = {
        "train_images": TRAIN,
        "train_labels": np.arange(9) % 3,
        "test_images": TEST,
        "test_labels": np.array([2, 1, 0, 2], dtype=np.uint8),
    }
    return {key: value for key, value in (usual | changes).items() if value is not None}


def write(folder: Path, kind: str, **changes: Any) -> Path:
    """The arrays as a folder or as an archive; returns the source."""
    if kind == "npz":
        np.savez(folder / "set.npz", **arrays(**changes))
        return folder / "set.npz"
    names = changes.pop("class_names", None)
    for key, value in arrays(**changes).items():
        np.save(folder / f"{key}.npy", value)
    if names is not None:
        (folder / "class_names.txt").write_text("\n".join(names) + "\n")
    return folder


KINDS = pytest.mark.parametrize("kind", ["npy", "npz"])


@KINDS
def test_both_splits_come_as_they_are(kind: str, tmp_path: Path) -> None:
    source = write(tmp_path, kind)
    train, test = open_images(source)
    np.testing.assert_array_equal(train.images.permute(0, 2, 3, 1), TRAIN)
    np.testing.assert_array_equal(test.images.permute(0, 2, 3, 1), TEST)
    assert train.labels.tolist() == [0, 1, 2] * 3
    assert test.labels.tolist() == [2, 1, 0, 2]
    assert train.class_names == ("0", "1", "2")
    assert train.source == f"{source.name}: train"
    train.images[0] = 0  # the memory is the set's own


@KINDS
def test_classes_can_be_named(kind: str, tmp_path: Path) -> None:
    source = write(tmp_path, kind, class_names=["ash", "elm wood", "oak", "yew"])
    assert open_images(source).train.class_names == ("ash", "elm wood", "oak", "yew")
    source = write(tmp_path, kind, class_names=["ash", "ash"])
    with pytest.raises(InputError, match=r"class_names of .* all different, but 'ash' comes twi"):
        open_images(source)


@KINDS
@pytest.mark.parametrize(
    ("convert", "shape"),
    [
        (lambda x: x, (3, 6, 5)),
        (lambda x: x.transpose(0, 3, 1, 2), (3, 6, 5)),
        (lambda x: x[..., :1], (1, 6, 5)),
        (lambda x: x[..., 0][:, None], (1, 6, 5)),
        (lambda x: x[..., 0], (1, 6, 5)),
        (lambda x: np.asfortranarray(x), (3, 6, 5)),
    ],
    ids=["NHWC", "NCHW", "NHW1", "N1HW", "NHW", "Fortran"],
)
def test_layouts(kind: str, convert: Any, shape: tuple[int, ...], tmp_path: Path) -> None:
    source = write(tmp_path, kind, train_images=convert(TRAIN), test_images=convert(TEST))
    train, test = open_images(source)
    assert train.shape == test.shape == shape
    expected = TRAIN.transpose(0, 3, 1, 2)[:, : shape[0]]
    np.testing.assert_array_equal(train.images, expected)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((2, 3, 8, 3), r"both could be: got shape \(2, 3, 8, 3\); save grey images as \(N, H, W"),
        ((2, 1, 8, 3), "both could be"),
        ((2, 3, 1, 1), "both could be"),
        ((2, 8, 8, 4), r"neither is: got shape \(2, 8, 8, 4\)$"),
        ((2, 2, 8, 8), "neither is"),
    ],
)
def test_a_layout_is_never_guessed(shape: tuple[int, ...], reason: str, tmp_path: Path) -> None:
    source = write(tmp_path, "npy", test_images=pixels(0, *shape), test_labels=np.zeros(2, int))
    with pytest.raises(InputError, match=f"test_images of .* 1 or 3 channels on its .*{reason}"):
        open_images(source)


@KINDS
def test_labels_may_be_a_column(kind: str, tmp_path: Path) -> None:
    source = write(tmp_path, kind, train_labels=(np.arange(9) % 3)[:, None])
    assert open_images(source).train.labels.tolist() == [0, 1, 2] * 3


def test_limit_and_size(tmp_path: Path) -> None:
    source = write(tmp_path, "npy")
    calls: list[tuple[int, int]] = []
    train, test = open_images(
        source, limit=4, image_size=3, seed=1, progress=lambda *done: calls.append(done)
    )
    assert (train.images.shape, test.images.shape) == ((4, 3, 3, 3), (4, 3, 3, 3))
    assert train.source == f"{tmp_path.name}: train, 4 of 9 images"
    assert calls == [(4, 8), (8, 8)]
    again = open_images(source, limit=4, image_size=3, seed=1)
    assert again.train.content_hash() == train.content_hash()
    other = open_images(source, limit=4, image_size=3, seed=2)
    assert other.train.content_hash() != train.content_hash()


class Attack:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@KINDS
def test_objects_are_not_unpickled(kind: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    bad = np.empty(9, dtype=object)
    bad[:] = [Attack(ran)] * 9
    source = write(tmp_path, kind, train_labels=bad)
    with pytest.raises(
        InputError, match="as numpy arrays of numbers: it holds Python objects, which could run co"
    ):
        open_images(source)
    assert not ran.exists()


@KINDS
def test_a_file_cut_anywhere_gets_a_sentence(kind: str, tmp_path: Path) -> None:
    source = write(tmp_path, kind)
    path = source if source.is_file() else source / "train_images.npy"
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 20):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot be read as numpy arrays of numbers: ") as it:
            open_images(source)
        assert "\n" not in str(it.value)


@KINDS
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": TRAIN.astype(float)}, "train_images of .* must be uint8 .* got float64"),
        ({"train_images": TRAIN[0, 0]}, "train_images of .* must be uint8 of shape"),
        ({"train_images": TRAIN[:0]}, r"train_images of .* got uint8 of shape \(0, 6, 5, 3\)"),
        ({"test_labels": np.arange(3)}, r"test_labels of .* one for each of its 4 images, got int"),
        ({"test_labels": np.ones(4)}, "test_labels of .* must be whole numbers, .* got float64"),
        ({"test_labels": np.array([0, 1, 2, 3])}, "between 0 and 2 for 3 classes, got 3 at pos"),
        ({"train_labels": np.arange(9) - 1}, "train_labels of .* 9? ?.*got -1 at position 0$"),
        ({"train_labels": np.arange(9) + 1}, "highest of 9 training labels of .* is 9; number"),
        ({"test_images": TEST[:, :4]}, "images are 3 x 6 x 5 and the test images 3 x 4 x 5"),
    ],
)
def test_what_is_wrong_is_named(
    kind: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"^`source`.*{message}"):
        open_images(write(tmp_path, kind, **changes))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path, "npy", test_labels=None)
    with pytest.raises(InputError, match=r"but in .* there is no test_labels\.npy$"):
        open_images(tmp_path)
    source = write(tmp_path, "npz", test_labels=None)
    with pytest.raises(InputError, match="are train_images, train_labels, test_images; save it"):
        open_images(source)


def test_an_archive_in_an_empty_folder_is_pointed_at(tmp_path: Path) -> None:
    source = write(tmp_path, "npz")
    with pytest.raises(InputError, match=f"neither parquet files nor folders; pass {source}$"):
        open_images(tmp_path)


@pytest.mark.parametrize("name", ["train_images.npy", "test_labels.npy", "set.npz"])
def test_a_pickle_under_another_name_is_not_run(name: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    source = write(tmp_path, name[-3:])
    (tmp_path / name).write_bytes(pickle.dumps(Attack(ran)))
    with pytest.raises(InputError, match="it holds Python objects, which could run code; write"):
        open_images(source)
    assert not ran.exists()
