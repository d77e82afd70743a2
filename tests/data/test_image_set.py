from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import Any

import numpy as np
import pytest
import torch

from torchlgg.core import InputError
from torchlgg.data import ImageSet

GENERATOR = torch.Generator().manual_seed(5)
IMAGES = torch.randint(0, 256, (7, 3, 4, 5), generator=GENERATOR, dtype=torch.uint8)
FIELDS: dict[str, Any] = {
    "images": IMAGES,
    "labels": torch.tensor([0, 1, 2, 2, 1, 0, 2]),
    "class_names": ("cat", "dog", "elk"),
    "mean": (0.5, 0.4, 0.3),
    "std": (0.25, 0.2, 0.125),
    "source": "made by a test",
}


def made(**changes: Any) -> ImageSet:
    return ImageSet(**{**FIELDS, **changes})


def test_holds_what_it_was_given() -> None:
    images = made()
    assert len(images) == 7
    assert images.statistics == "given"
    assert repr(images) == ("ImageSet(7 images of 3 x 4 x 5, 3 classes, source='made by a test')")
    with pytest.raises(dataclasses.FrozenInstanceError):
        images.source = "elsewhere"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": IMAGES.float()},
            "`images` must be a uint8 tensor (N, C, H, W), got torch.float32 of shape (7, 3, 4, 5)",
        ),
        (
            {"images": IMAGES[0]},
            "`images` must be a uint8 tensor (N, C, H, W), got torch.uint8 of shape (3, 4, 5)",
        ),
        (
            {"images": IMAGES.numpy()},
            "`images` must be a uint8 tensor (N, C, H, W), got ndarray",
        ),
        (
            {"images": IMAGES[:0], "labels": torch.zeros(0, dtype=torch.int64)},
            "`images` must hold at least one image of at least one pixel, got shape (0, 3, 4, 5)",
        ),
        (
            {"labels": torch.tensor([0, 1, 2])},
            "`images` and `labels` must describe the same examples: 7 images, 3 labels",
        ),
        (
            {"labels": torch.zeros(7)},
            "`labels` must be an int64 tensor (N,), got torch.float32 of shape (7,)",
        ),
        (
            {"labels": torch.zeros(7, 1, dtype=torch.int64)},
            "`labels` must be an int64 tensor (N,), got torch.int64 of shape (7, 1)",
        ),
        (
            {"labels": torch.tensor([0, 1, 2, 3, 1, 0, 2])},
            "`labels` must lie between 0 and 2 for 3 class names, got 3",
        ),
        (
            {"labels": torch.tensor([0, 1, 2, -1, 1, 0, 2])},
            "`labels` must lie between 0 and 2 for 3 class names, got -1",
        ),
        (
            {"labels": torch.zeros(7, dtype=torch.int64, device="meta")},
            "`images` and `labels` must be on one device: images are on cpu, labels on meta",
        ),
        (
            {"class_names": ["cat", "dog", "elk"]},
            "`class_names` must be a tuple of strings, got list ['cat', 'dog', 'elk']",
        ),
        (
            {"class_names": ("cat", 2, "elk")},
            "`class_names` must be a tuple of strings, got tuple ('cat', 2, 'elk')",
        ),
        ({"class_names": ()}, "`class_names` must name at least one class, got none"),
        (
            {"class_names": ("cat", "dog", "cat")},
            "`class_names` must be all different, but 'cat' comes twice",
        ),
        (
            {"mean": (0.5,)},
            "`mean` must be a tuple of one number a channel, 3 in all, got (0.5,)",
        ),
        (
            {"mean": (0.5, float("nan"), 0.1)},
            "`mean` must be finite, got (0.5, nan, 0.1)",
        ),
        (
            {"std": (0.5, 0.0, 0.1)},
            "`std` must be positive in every channel, got (0.5, 0.0, 0.1)",
        ),
    ],
)
def test_a_field_that_does_not_fit_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        made(**changes)


@pytest.mark.parametrize(
    "indices", [[4, 0, 4], (4, 0, 4), np.array([4, 0, 4]), torch.tensor([4, 0, 4]).to(torch.int32)]
)
def test_subset_takes_positions_in_order(indices: Any) -> None:
    whole = made(statistics="published")
    part = whole.subset(indices)
    assert torch.equal(part.images, IMAGES[[4, 0, 4]])
    assert part.labels.tolist() == [1, 0, 1]
    for field in ("class_names", "mean", "std", "source", "statistics"):
        assert getattr(part, field) == getattr(whole, field)


def test_subset_is_a_copy() -> None:
    part = made().subset([1])
    before = IMAGES[1].clone()
    part.images.zero_()
    assert torch.equal(IMAGES[1], before)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([], "`indices` must be one row of at least one position, got shape (0,)"),
        ([[1]], "`indices` must be one row of at least one position, got shape (1, 1)"),
        ([1.0], "`indices` must be whole numbers, got torch.float32"),
        ([True] * 7, "`indices` must be whole numbers, got torch.bool"),
        ([0, 7], "`indices` must lie between 0 and 6 for 7 images, got 7"),
        ([-1, 3], "`indices` must lie between 0 and 6 for 7 images, got -1"),
    ],
)
def test_subset_refuses_other_positions(indices: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        made().subset(indices)


@pytest.mark.parametrize("select", [slice(None), slice(2, 3), 4], ids=["all", "one", "single"])
def test_normalize_is_the_definition(select: Any) -> None:
    images = IMAGES[select]
    before = images.clone()
    found = made().normalize(images)
    expected = np.empty(images.shape)
    for index in np.ndindex(*images.shape):
        channel = index[-3]
        value = images[index].item() / 255
        expected[index] = (value - FIELDS["mean"][channel]) / FIELDS["std"][channel]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), rtol=0, atol=1e-6)
    assert torch.equal(images, before)


def test_normalize_keeps_device_and_memory_format() -> None:
    images = made()
    assert images.normalize(IMAGES.to("meta")).device.type == "meta"
    last = IMAGES.contiguous(memory_format=torch.channels_last)
    found = images.normalize(last)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found, images.normalize(IMAGES))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            IMAGES.float(),
            "`images` must be a uint8 tensor, got torch.float32 of shape (7, 3, 4, 5)",
        ),
        (IMAGES.numpy(), "`images` must be a uint8 tensor, got ndarray"),
        (
            IMAGES[:, :1],
            "`images` must have shape (..., 3, H, W) as this set has 3 channel(s), got "
            "(7, 1, 4, 5)",
        ),
        (
            IMAGES[0, 0],
            "`images` must have shape (..., 3, H, W) as this set has 3 channel(s), got (4, 5)",
        ),
    ],
)
def test_normalize_refuses_other_images(images: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        made().normalize(images)


def test_content_hash_covers_shape_pixels_and_labels_only() -> None:
    digest = hashlib.sha256(b"(7, 3, 4, 5)")
    digest.update(IMAGES.numpy().tobytes())
    digest.update(np.array([0, 1, 2, 2, 1, 0, 2], dtype="<i8").tobytes())
    reference = digest.hexdigest()
    assert made().content_hash() == reference
    assert made(source="elsewhere", mean=(0.0, 0.0, 0.0)).content_hash() == reference
    last = IMAGES.contiguous(memory_format=torch.channels_last)
    assert made(images=last).content_hash() == reference

    other = IMAGES.clone()
    other[3, 2, 1, 0] ^= 1
    assert made(images=other).content_hash() != reference
    assert made(labels=FIELDS["labels"].flip(0)).content_hash() != reference
    assert made(images=IMAGES.view(7, 3, 5, 4)).content_hash() != reference


def test_pixels_are_those_of_the_plan_in_order() -> None:
    images = made()
    plan = [torch.tensor([4, 0, 4]), torch.tensor([6])]
    found = list(images.pixels(plan))
    assert [len(pixels) for pixels in found] == [3, 1]
    assert all(pixels.dtype == torch.uint8 for pixels in found)
    assert torch.equal(torch.cat(found), IMAGES[[4, 0, 4, 6]])
    found[0].zero_()
    assert IMAGES[4].any()
    assert list(images.pixels([])) == []
    assert images.shape == (3, 4, 5)
