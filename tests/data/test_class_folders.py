from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.making import pixels, write_class_folders, write_image
from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images


def rows(images: ImageSet) -> list[bytes]:
    return [image.numpy().tobytes() for image in images.images]


def refused(folder: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_images(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("test_folder", ["test", "val", "valid", "validation", "Test"])
def test_folders_for_training_and_test(test_folder: str, tmp_path: Path) -> None:
    write_class_folders(tmp_path / "train", {"b": 3, "a": 2})
    write_class_folders(tmp_path / test_folder, {"a": 1, "b": 2}, seed=50)
    train, test = open_images(tmp_path, seed=4)
    assert train.class_names == test.class_names == ("a", "b")
    assert train.labels.tolist() == [0, 0, 1, 1, 1]
    assert test.labels.tolist() == [0, 1, 1]
    expected = np.stack([pixels(seed, 6, 5, 3) for seed in (1000, 1001, 0, 1, 2)])
    np.testing.assert_array_equal(train.images.permute(0, 2, 3, 1), expected)
    assert train.source == f"{tmp_path.name}: train"
    assert test.source == f"{tmp_path.name}: {test_folder.lower()}"


def test_the_test_folder_goes_before_the_validation_folder(tmp_path: Path) -> None:
    for name, count in (("train", 3), ("val", 2), ("test", 1)):
        write_class_folders(tmp_path / name, {"a": count, "b": count})
    assert len(open_images(tmp_path).test) == 2


def test_a_fifth_is_set_aside_where_there_is_no_test_folder(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 10, "b": 5, "c": 2, "d": 1})
    train, test = open_images(tmp_path, seed=1)
    assert train.labels.bincount().tolist() == [8, 4, 1, 1]
    assert test.labels.bincount(minlength=4).tolist() == [2, 1, 1, 0]
    assert len({*rows(train), *rows(test)}) == 18
    again, other = open_images(tmp_path, seed=1), open_images(tmp_path, seed=2)
    assert again.test.content_hash() == test.content_hash()
    assert other.test.content_hash() != test.content_hash()
    assert train.source == f"{tmp_path.name}: train (random fifth for testing, seed=1)"


def test_limit_is_a_random_sample_of_all_classes(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "train", {"a": 20, "b": 20, "c": 20})
    write_class_folders(tmp_path / "test", {"a": 1, "b": 1, "c": 1})
    whole = open_images(tmp_path, seed=3).train
    part, smaller = (open_images(tmp_path, limit=limit, seed=3).train for limit in (30, 12))
    assert (len(part), len(smaller)) == (30, 12)
    assert set(rows(smaller)) < set(rows(part)) < set(rows(whole))
    assert set(smaller.labels.tolist()) == {0, 1, 2}
    assert part.labels.tolist() == sorted(part.labels.tolist())
    assert rows(open_images(tmp_path, limit=12, seed=4).train) != rows(smaller)
    assert part.source == f"{tmp_path.name}: train, 30 of 60 images"


def test_what_is_hidden_or_no_image_is_skipped(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 5, "b": 5, ".cache": 3})
    (tmp_path / "a" / "notes.txt").write_text("words")
    (tmp_path / "a" / "._000.png").write_bytes(b"resource fork")
    (tmp_path / "a" / "folder.png").mkdir()
    write_image(tmp_path / "a" / ".thumbnails" / "000.png", pixels(9, 6, 5, 3))
    write_image(tmp_path / "cover.png", pixels(9, 6, 5, 3))
    write_image(tmp_path / "b" / "deeper" / "still" / "x.JPG", pixels(9, 6, 5, 3))
    train, test = open_images(tmp_path)
    assert train.class_names == ("a", "b")
    assert (train.labels.bincount() + test.labels.bincount()).tolist() == [5, 6]


@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPEG", ".webp", ".bmp", ".gif", ".tiff"])
def test_formats(ending: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(2):
            write_image(tmp_path / name / f"{number}{ending}", pixels(number, 6, 5, 3))
    train = open_images(tmp_path).train
    assert train.images.shape == (2, 3, 6, 5)


def test_links_do_not_lead_in_circles(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_class_folders(root, {"a": 5, "b": 5})
    write_class_folders(tmp_path, {"elsewhere": 5}, seed=70)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "up").symlink_to(tmp_path, target_is_directory=True)
    (root / "a" / "inner").symlink_to(root, target_is_directory=True)
    (root / "c").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    train, test = open_images(root)
    assert train.class_names == ("a", "b", "c")
    assert (train.labels.bincount() + test.labels.bincount()).tolist() == [5, 5, 5]


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 5, "b": 5})
    (tmp_path / "b" / "002.png").write_bytes(b"plain words")
    where = re.escape(str(tmp_path / "b" / "002.png"))
    refused(tmp_path, f"^`source`: {where} does not decode: its content is no image format")
    (tmp_path / "b" / "002.png").unlink()
    (tmp_path / "b" / "002.png").symlink_to(tmp_path / "gone.png")
    refused(tmp_path, f"^`source`: {where} does not decode: .*No such file")


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 5, "b": 5})
    (tmp_path / "empty").mkdir()
    where = re.escape(str(tmp_path / "empty"))
    refused(tmp_path, f"must have images in every class folder, but {where} has none with an end")


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 5})
    refused(tmp_path, "must have at least two class folders in .*, got only 'a'; pass the folder")
    write_class_folders(tmp_path / "other" / "train", {"a": 5, "b": 2})
    (tmp_path / "other" / "test").mkdir()
    refused(tmp_path / "other", "must have at least two class folders in .*test, got none; pass")


def test_train_without_test_is_an_error(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "train", {"a": 5, "b": 5})
    where = re.escape(str(tmp_path / "train"))
    refused(tmp_path, f"must have `test` or `validation` beside it; .* pass {where}$")
    assert len(open_images(tmp_path / "train").test) == 2


def test_the_classes_of_both_parts_must_agree(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "train", {"a": 1, "b": 1, "c": 1})
    write_class_folders(tmp_path / "test", {"a": 1, "c": 1})
    refused(tmp_path, "same class folders in .*: only the first has b, only the second no other$")
    write_class_folders(tmp_path / "test", {"d": 1})
    refused(tmp_path, "only the first has b, only the second d$")


def test_single_images_leave_nothing_to_test_on(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 1, "b": 1})
    refused(tmp_path, "must have at least two images in some class to set test images aside")


def test_mixed_sizes_need_image_size(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 5, "b": 5})
    write_image(tmp_path / "b" / "tall.png", pixels(3, 9, 5, 3))
    refused(tmp_path, r"of one size, .* has 9 x 5; pass `image_size` \(`--image-size`\)|has 6 x 5;")
    splits = open_images(tmp_path, image_size=4)
    assert {part.images.shape[1:] for part in splits} == {(3, 4, 4)}


@pytest.mark.parametrize("coloured", ["train", "test"])
def test_grey_images_stay_grey_unless_one_has_colours(coloured: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            write_image(tmp_path / split / name / "0.png", pixels(len(name + split), 6, 5))
    grey = open_images(tmp_path)
    assert {part.images.shape[1] for part in grey} == {1}
    assert len(grey.train.mean) == 1

    write_image(tmp_path / coloured / "b" / "1.png", pixels(3, 6, 5, 3))
    mixed = open_images(tmp_path)
    assert {part.images.shape[1] for part in mixed} == {3}
    for before, after in zip(grey, mixed, strict=True):
        np.testing.assert_array_equal(
            after.images[:2], before.images.expand(-1, 3, -1, -1), strict=True
        )
    part = getattr(mixed, coloured)
    np.testing.assert_array_equal(part.images[2].permute(1, 2, 0), pixels(3, 6, 5, 3))


def test_more_images_than_are_decoded_at_once(tmp_path: Path) -> None:
    for name, count in (("a", 600), ("b", 500)):
        (tmp_path / name).mkdir()
        for number in range(count):
            value = np.full((1, 2), (number * 7 + len(name)) % 256, dtype=np.uint8)
            Image.fromarray(value).save(tmp_path / name / f"{number:04d}.bmp")
    train, test = open_images(tmp_path)
    assert (len(train), len(test)) == (880, 220)
    both = sorted(
        (label, image.flatten()[0].item())
        for part in (train, test)
        for image, label in zip(part.images, part.labels.tolist(), strict=True)
    )
    assert both == sorted(
        (label, (number * 7 + 1) % 256)
        for label, count in ((0, 600), (1, 500))
        for number in range(count)
    )
