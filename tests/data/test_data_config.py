from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.making import write_class_folders
from torchlgg.core import InputError
from torchlgg.data import DataConfig, ImageFiles, ImageSet, open_images, split_validation


def test_open_is_open_images_and_split_validation() -> None:
    config = DataConfig(source="digits", limit=300, validation=0.2, split_seed=4, image_size=9)
    train, validation, test = config.open()
    expected = open_images("digits", limit=300, image_size=9)
    split = split_validation(expected.train, fraction=0.2, seed=4)
    for one, other in ((train, split.train), (validation, split.validation), (test, expected.test)):
        assert isinstance(one, ImageSet)
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert one.source == other.source


def test_nothing_is_held_out_by_nought() -> None:
    config = DataConfig(source="digits", validation=0.0, mean=(0.5,), std=(0.25,))
    train, validation, test = config.open()
    assert validation is None
    assert (len(train), len(test)) == (1438, 359)
    assert (train.mean, test.std) == ((0.5,), (0.25,))


def test_images_on_disk(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 10, "b": 10})
    calls: list[tuple[int, int]] = []
    config = DataConfig(
        source=str(tmp_path), image_size=4, in_memory=False, workers=0, validation=0.25
    )
    splits = config.open(progress=lambda *done: calls.append(done))
    assert [len(part) for part in splits] == [12, 4, 4]
    for part in splits:
        assert isinstance(part, ImageFiles)
        assert part.workers == 0
    assert calls == [(16, 16)]
    other = dataclasses.replace(config, split_seed=1).open()
    assert other.test.content_hash() != splits.test.content_hash()


def test_a_source_may_be_filled_in_later() -> None:
    config = DataConfig()
    with pytest.raises(InputError, match=r"^`source` must be 'digits' or .*, got none; pass it"):
        config.open()
    assert len(dataclasses.replace(config, source="digits").open().test) == 359
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.source = "digits"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": ""}, "`source` must be 'digits' or the name of a folder of images, got ''"),
        ({"source": 3}, "`source` must be 'digits' or the name of a folder of images, got 3"),
        ({"limit": 0}, "`limit` must be a whole number of at least 1, got 0"),
        ({"image_size": 2.5}, "`image_size` must be a whole number of at least 1, got 2.5"),
        ({"workers": -1}, "`workers` must be a whole number of at least 0, got -1"),
        ({"split_seed": None}, "`split_seed` must be a whole number of at least 0, got None"),
        ({"split_seed": True}, "`split_seed` must be a whole number of at least 0, got True"),
        ({"validation": 1.0}, "`validation` must be a fraction of at least 0 and below 1, got 1.0"),
        ({"validation": -0.1}, "`validation` must be a fraction of at least 0 and below 1, got -"),
        ({"validation": None}, "`validation` must be a fraction of at least 0 and below 1, got N"),
        ({"validation": float("nan")}, "`validation` must be a fraction of at least 0 and below"),
        ({"in_memory": "yes"}, "`in_memory` must be True, False or None, got 'yes'"),
        ({"in_memory": 1}, "`in_memory` must be True, False or None, got 1"),
        ({"mean": (0.5,)}, "`std` must be given with `mean`, got `mean` alone"),
        ({"mean": [0.5], "std": (0.5,)}, "`mean` must be a tuple of one number a channel, 1 or 3"),
    ],
)
def test_a_value_out_of_range_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        DataConfig(**{"source": "digits"} | options)
