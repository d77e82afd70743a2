from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.shared import SHARED, needs_shared
from torchlgg.data import Splits, open_images

pytestmark = needs_shared
CIFAR10 = SHARED / "datasets" / "cifar10"


@pytest.fixture(scope="module")
def splits() -> Splits:
    return open_images(CIFAR10, limit=500)


def test_the_test_file_is_read_whole_and_in_order(splits: Splits) -> None:
    test = splits.test
    assert test.images.shape == (10_000, 3, 32, 32)
    assert test.class_names == (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    assert test.labels.bincount().tolist() == [1000] * 10
    table = pq.read_table(CIFAR10 / "test-00000-of-00001.parquet")
    assert test.labels.tolist() == table["label"].to_pylist()
    for row in (0, 4321, 9999):
        with Image.open(io.BytesIO(table["img"][row].as_py()["bytes"])) as image:
            np.testing.assert_array_equal(test.images[row].permute(1, 2, 0), np.asarray(image))
    assert len(splits.train) == 500
    assert splits.train.source == "cifar10: train, 500 of 50000 images"


def test_the_published_constants_are_used(splits: Splits) -> None:
    for part in splits:
        assert part.statistics == "published"
        assert part.mean == (0.4914, 0.4822, 0.4465)
        assert part.std == (0.2023, 0.1994, 0.2010)
    pixels = splits.test.images.numpy() / 255.0
    np.testing.assert_allclose(pixels.mean((0, 2, 3)), splits.test.mean, atol=0.006)


def test_limit_reads_only_the_first_row_groups(
    count_row_groups: Callable[[], dict[tuple[str, int], list[str]]],
) -> None:
    read = count_row_groups()
    assert len(open_images(CIFAR10, limit=2000).train) == 2000
    train = {place for place in read if place[0].startswith("train")}
    assert train == {("train-00000-of-00005.parquet", group) for group in (0, 1)}
    assert len(read) == 2 + 10
    assert all(sorted(columns) == ["img.bytes", "label"] for columns in read.values())
