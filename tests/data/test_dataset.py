from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from tests.data.making import pixels, write_class_folders
from torchlgg.core import InputError
from torchlgg.data import from_dataset, open_images
from torchlgg.data._pixels import resize_and_crop

COLOUR, GREY = pixels(0, 6, 5, 3), pixels(1, 6, 5)


class Items(Dataset[Any]):
    """What a test gives it; counts how often each is asked for."""

    def __init__(self, *items: Any) -> None:
        self.items = items
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> Any:
        self.asked.append(position)
        return self.items[position]


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image if image.ndim == 2 else image.transpose(2, 0, 1).copy())


@pytest.mark.parametrize("form", [Image.fromarray, tensor, np.asarray], ids=["PIL", "CHW", "HWC"])
def test_all_forms_give_the_same_pixels(form: Any) -> None:
    images = [pixels(seed, 6, 5, 3) for seed in range(4)]
    items = Items(
        *((form(image), label) for image, label in zip(images, [1, 0, 2, 1], strict=True))
    )
    found = from_dataset(items)
    np.testing.assert_array_equal(found.images.permute(0, 2, 3, 1), np.stack(images))
    assert found.labels.tolist() == [1, 0, 2, 1]
    assert (found.class_names, found.source) == (("0", "1", "2"), "Items")
    assert found.statistics == "computed"
    np.testing.assert_allclose(found.mean, np.stack(images).mean((0, 1, 2)) / 255, rtol=1e-12)
    assert items.asked == [0, 1, 2, 3]

    small = from_dataset(items, image_size=4)
    for one, image in zip(small.images, images, strict=True):
        expected = np.asarray(resize_and_crop(Image.fromarray(image), 4)).transpose(2, 0, 1)
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(GREY),
        tensor(GREY),
        tensor(GREY)[None],
        GREY,
        GREY[..., None],
        Image.fromarray(GREY).convert("LA"),
    ],
)
def test_grey_images_have_one_channel(image: Any) -> None:
    found = from_dataset(Items((image, 0), (image, 1)))
    assert found.shape == (1, 6, 5)
    np.testing.assert_array_equal(found.images[1, 0], GREY)
    mixed = from_dataset(Items((image, 0), (COLOUR, 1)))
    assert mixed.shape == (3, 6, 5)
    np.testing.assert_array_equal(mixed.images[0], np.stack([GREY] * 3))
    three = from_dataset(Items((image, 0)), mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0))
    assert (three.shape, three.statistics, three.mean) == ((3, 6, 5), "given", (0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    "label", [2, np.int64(2), np.uint8(2), torch.tensor(2), np.array(2), torch.tensor(2).short()]
)
def test_labels_of_any_whole_kind(label: Any) -> None:
    assert from_dataset(Items((GREY, label))).labels.tolist() == [2]


def test_class_names_are_given_or_those_of_the_data_set() -> None:
    items = Items((GREY, 1), (GREY, 0))
    assert from_dataset(items, class_names=["ox", "ape"]).class_names == ("ox", "ape")
    items.classes = ["bat", ("cow", "ox"), "hen"]  # type: ignore[attr-defined]
    assert from_dataset(items).class_names == ("bat", "cow, ox", "hen")
    part = Subset(Subset(items, [1, 0]), [1])
    assert from_dataset(part).class_names == ("bat", "cow, ox", "hen")
    assert from_dataset(part).labels.tolist() == [1]
    assert from_dataset(items, class_names=("a", "b"), source="mine").source == "mine"
    with pytest.raises(InputError, match="`labels` must lie between 0 and 0 for 1 class names"):
        from_dataset(items, class_names=("a",))


def test_an_image_folder_of_torchvision_is_ours(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    write_class_folders(tmp_path / "train", {"b": 3, "a": 2})
    write_class_folders(tmp_path / "test", {"a": 1, "b": 1})
    theirs = from_dataset(ImageFolder(str(tmp_path / "train")), image_size=4)
    ours = open_images(tmp_path, image_size=4).train
    assert theirs.content_hash() == ours.content_hash()
    assert (theirs.class_names, theirs.mean) == (ours.class_names, ours.mean)


def test_progress_ends_with_all_images() -> None:
    calls: list[tuple[int, int]] = []
    images = torch.zeros(1100, 1, 2, 2, dtype=torch.uint8)
    found = TensorDataset(images, torch.zeros(1100, dtype=torch.int64))
    from_dataset(found, progress=lambda *done: calls.append(done))
    assert calls == [(512, 1100), (1024, 1100), (1100, 1100)]


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([])


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Endless(), "`dataset` must have a length and items by position, got Endless; read an it"),
        (Items(), "`dataset` must hold at least one image, got an empty Items"),
        (Items((GREY, 0), GREY), "must have items (image, label), but item 1 is ndarray"),
        (Items((GREY, 0, 0)), "must have items (image, label), but item 0 is tuple of 3"),
        (
            Items((GREY, 0), (torch.rand(3, 6, 5), 0)),
            "but the image of item 1 is torch.float32 of shape (3, 6, 5); drop ToTensor and Norma",
        ),
        (Items((GREY / 255, 0)), "the image of item 0 is array of float64 of shape (6, 5)"),
        (Items((COLOUR[None], 0)), "the image of item 0 is array of uint8 of shape (1, 6, 5, 3)"),
        (Items((torch.from_numpy(COLOUR), 0)), "item 0 is torch.uint8 of shape (6, 5, 3)"),
        (Items(("a.png", 0)), "the image of item 0 is str"),
        (Items((GREY[:0], 0)), "the image of item 0 is array of uint8 of shape (0, 5)"),
        (Items((GREY, 0), (GREY, -1)), "numbers from 0 as labels, but that of item 1 is -1"),
        (Items((GREY, 1.0)), "whole numbers from 0 as labels, but that of item 0 is 1.0"),
        (Items((GREY, True)), "whole numbers from 0 as labels, but that of item 0 is True"),
        (Items((GREY, [1])), "whole numbers from 0 as labels, but that of item 0 is [1]"),
        (
            Items((GREY, 0), (GREY.T, 0)),
            "but item 0 has 6 x 5 pixels (height x width) and item 1 has 5 x 6; pass `image_size`",
        ),
        (
            Items((Image.fromarray(GREY.astype(np.int32)), 0)),
            "`dataset`: item 0 has pixels of 32 bits",
        ),
    ],
)
def test_what_cannot_be_used_is_named(dataset: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        from_dataset(dataset)
    assert str(caught.value).startswith("`dataset`")


def test_image_size_must_be_a_whole_number() -> None:
    for size in (0, 2.5, True):
        with pytest.raises(InputError, match="`image_size` must be a whole number of at least 1"):
            from_dataset(Items((GREY, 0)), image_size=size)  # type: ignore[arg-type]
