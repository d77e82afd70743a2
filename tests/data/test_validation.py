from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchlgg.core import InputError
from torchlgg.data import ImageSet, split_validation


def numbered(labels: list[int]) -> ImageSet:
    """Images whose first two pixels say which image it is."""
    number = torch.arange(len(labels))
    images = torch.stack([number // 256, number % 256], 1).to(torch.uint8).view(-1, 1, 1, 2)
    names = tuple(f"class {c}" for c in range(max(labels) + 1))
    return ImageSet(images, torch.tensor(labels), names, (0.3,), (0.2,), "numbered", "published")


def numbers(images: ImageSet) -> list[int]:
    return [256 * high + low for high, low in images.images[:, 0, 0].tolist()]


@given(
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(lambda c: max(c) > 1),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**40),
)
def test_each_class_gives_its_share(counts: list[int], fraction: float, seed: int) -> None:
    labels = [c for c, count in enumerate(counts) for _ in range(count)]
    order = np.random.default_rng(seed).permutation(len(labels))
    whole = numbered([labels[i] for i in order])
    train, validation = split_validation(whole, fraction=fraction, seed=seed)

    assert sorted(numbers(train) + numbers(validation)) == list(range(len(whole)))
    for part in (train, validation):
        assert numbers(part) == sorted(numbers(part))
        assert torch.equal(part.labels, whole.labels[numbers(part)])
    for c, count in enumerate(counts):
        wanted = math.floor(fraction * count + 0.5)
        expected = 0 if count < 2 else min(max(wanted, 1), count - 1)
        assert int((validation.labels == c).sum()) == expected


def test_the_seed_decides_and_nothing_else() -> None:
    whole = numbered([0, 1] * 40)
    first = numbers(split_validation(whole, seed=1).validation)
    torch.manual_seed(99)
    state, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert numbers(split_validation(whole, seed=1).validation) == first
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], legacy)
    others = {tuple(numbers(split_validation(whole, seed=seed).validation)) for seed in range(20)}
    assert len(others) == 20


def test_every_image_can_be_chosen() -> None:
    whole = numbered([0, 1, 1, 0, 1, 0, 0, 1])
    chosen = [n for s in range(200) for n in numbers(split_validation(whole, seed=s).validation)]
    # Each class sets one of its four images aside: 50 of 200 are expected, +- 6 deviations.
    assert all(13 <= count <= 87 for count in np.bincount(chosen, minlength=8))


def test_the_parts_keep_what_belongs_to_the_set() -> None:
    whole = numbered([0, 1] * 5)
    for part in split_validation(whole):
        for field in ("class_names", "mean", "std", "statistics"):
            assert getattr(part, field) == getattr(whole, field)
    train, validation = split_validation(whole, fraction=0.2, seed=7)
    assert train.source == "numbered (training part, fraction=0.2, seed=7)"
    assert validation.source == "numbered (validation part, fraction=0.2, seed=7)"


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0, 0], {"fraction": 0.0}, "`fraction` must lie between 0 and 1, both excluded, got 0.0"),
        ([0, 0], {"fraction": 1}, "`fraction` must lie between 0 and 1, both excluded, got 1"),
        (
            [0, 0],
            {"fraction": float("nan")},
            "`fraction` must lie between 0 and 1, both excluded, got nan",
        ),
        ([0, 0], {"seed": -3}, "`seed` must be a whole number of at least 0, got -3"),
        ([0, 0], {"seed": 0.5}, "`seed` must be a whole number of at least 0, got 0.5"),
        (
            [2, 0, 1],
            {},
            "`image_set` must have a class with at least two images to set one aside, but each of "
            "its 3 images is the only one of its class",
        ),
    ],
)
def test_what_cannot_be_split_is_said_so(
    labels: list[int], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        split_validation(numbered(labels), **options)
