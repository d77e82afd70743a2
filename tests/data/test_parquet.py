from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.data.making import (
    NAMES,
    encoded,
    features,
    pixels,
    write_parquet,
    write_parquet_folder,
)
from torchlgg.core import InputError
from torchlgg.data import open_images

TRAIN = "train-00001-of-00002.parquet"


def images(count: int, *, seed: int = 3) -> list[bytes]:
    return [encoded(image) for image in pixels(seed, count, 6, 5, 3)]


def refused(folder: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_images(folder)
    assert "\n" not in str(caught.value)


def test_rows_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    expected = write_parquet_folder(tmp_path, shards=3)
    train, test = open_images(tmp_path)
    np.testing.assert_array_equal(train.images.permute(0, 2, 3, 1), expected)
    assert train.labels.tolist() == [row % 3 for row in range(30)]
    assert test.labels.tolist() == [2, 1, 0]
    assert train.class_names == test.class_names == NAMES
    assert train.source == f"{tmp_path.name}: train"
    assert test.source == f"{tmp_path.name}: test"


@pytest.mark.parametrize("limit", [1, 7, 10, 11, 20, 99])
def test_limit_is_a_prefix(limit: int, tmp_path: Path) -> None:
    expected = write_parquet_folder(tmp_path)
    train, test = open_images(tmp_path, limit=limit)
    np.testing.assert_array_equal(train.images.permute(0, 2, 3, 1), expected[:limit])
    assert train.labels.tolist() == [row % 3 for row in range(min(limit, 20))]
    assert len(test) == 3


def test_limit_reads_no_row_group_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count_row_groups: Callable[[], dict]
) -> None:
    write_parquet_folder(tmp_path)  # two files with row groups of 4, 4 and 2 rows
    read = count_row_groups()
    open_images(tmp_path, limit=5)
    assert read == {
        ("train-00000-of-00002.parquet", 0): ["label", "img.bytes"],
        ("train-00000-of-00002.parquet", 1): ["label", "img.bytes"],
        ("test-00000-of-00001.parquet", 0): ["label", "img.bytes"],
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train.parquet", "test.parquet"),
        ("train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"),
        ("train-00000-of-00001-abc123.parquet", "test_set.parquet"),
        ("train0.parquet", "val.parquet"),
        ("Train.parquet", "valid-1.parquet"),
    ],
)
def test_names_of_files(train: str, test: str, tmp_path: Path) -> None:
    write_parquet(tmp_path / train, images(5), [0, 1, 2, 0, 1])
    write_parquet(tmp_path / test, images(2), [2, 2])
    (tmp_path / ".train-hidden.parquet").write_bytes(b"not parquet")
    (tmp_path / "README.md").write_text("words")
    splits = open_images(tmp_path)
    assert (len(splits.train), len(splits.test)) == (5, 2)


def test_the_test_files_go_before_validation_files(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    write_parquet(tmp_path / "validation.parquet", images(1), [0])
    test = open_images(tmp_path).test
    assert (len(test), test.source) == (3, f"{tmp_path.name}: test")


@pytest.mark.parametrize(
    "names",
    [("train.parquet",), ("test.parquet",), ("training.parquet", "tests.parquet"), ("a.parquet",)],
)
def test_a_split_without_a_file_is_an_error(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        write_parquet(tmp_path / name, images(2), [0, 1])
    refused(
        tmp_path,
        rf"^`source` must hold train\*.parquet and test\*.parquet .*{', '.join(sorted(names))}$",
    )


def test_missing_files_of_a_series_are_named(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path, shards=5, rows=2)
    (tmp_path / "train-00001-of-00005.parquet").unlink()
    (tmp_path / "train-00004-of-00005.parquet").unlink()
    refused(
        tmp_path,
        "must hold all 5 files of a series, but in .* there is no train-00001-of-00005.parquet, "
        "train-00004-of-00005.parquet; fetch",
    )
    (tmp_path / "train-00002-of-00005.parquet").unlink()
    (tmp_path / "train-00003-of-00005.parquet").unlink()
    refused(tmp_path, "train-00003-of-00005.parquet and 1 more; fetch")


@pytest.mark.parametrize("name", [TRAIN, "test-00000-of-00001.parquet"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_named(name: str, keep: float, tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(keep * len(content))])
    where = re.escape(str(tmp_path / name))
    refused(tmp_path, f"^`source`: {where} cannot be read as a parquet file: .*; fetch or write")


def test_damaged_pages_are_found_by_their_checksum(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    path = tmp_path / TRAIN
    table = pq.read_table(path)
    pq.write_table(
        table, path, compression="none", write_statistics=False, write_page_checksum=True
    )
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 20] ^= 0x40  # Pillow decodes such an image without a word
    path.write_bytes(content)
    refused(tmp_path, f"{TRAIN} cannot be read as a parquet file: .*(CRC|checksum)")


def test_a_footer_that_contradicts_itself_is_found(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    path = tmp_path / TRAIN
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for at in range(footer, len(content) - 8):
        changed = bytearray(content)
        changed[at] = (content[at] + 2) % 256  # a count that is one larger, if `at` holds a count
        path.write_bytes(changed)
        try:
            found = pq.ParquetFile(path).metadata.num_rows
        except (pa.ArrowException, OSError):
            continue
        if found == 11:
            refused(tmp_path, f"{TRAIN} .* it announces 11 rows where it holds 10; fetch")
            return
    pytest.fail("the number of rows was not found in the footer")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its content is no image format that Pillow knows"),
        (b"plain words", "its content is no image format that Pillow knows"),
        (images(1)[0][:60], "[Tt]runcated"),
        (encoded(pixels(8, 40, 40, 3), "JPEG")[:500], "[Tt]runcated"),
        (encoded(pixels(8, 40, 40, 3), "WEBP", lossless=True)[:300], "no image format|decod"),
    ],
)
def test_an_image_that_does_not_decode_is_named(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    write_parquet_folder(tmp_path)
    stored = images(10)
    stored[6] = content
    write_parquet(tmp_path / TRAIN, stored, [row % 3 for row in range(10)])
    where = re.escape(str(tmp_path / TRAIN))
    refused(tmp_path, f"^`source`: {where} row 6 does not decode: .*({reason}).*; replace or")


def test_an_image_without_bytes_is_named(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    stored: list[bytes | None] = [*images(9), None]
    write_parquet(tmp_path / TRAIN, stored, [0] * 10)
    refused(tmp_path, f"{TRAIN} row 9 holds no image bytes")


def test_a_row_without_an_image_is_named(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    table = pq.read_table(tmp_path / TRAIN)
    rows = table.column("img").to_pylist()
    rows[7] = None
    column = pa.array(rows, type=table.schema.field("img").type)
    pq.write_table(table.set_column(0, table.schema.field("img"), column), tmp_path / TRAIN)
    refused(tmp_path, f"{TRAIN} row 7 holds no image bytes")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2, 0, None, 2, 0, 1, 2, 0], "row 4 has no label"),
        ([0, 1, 2, 0, 1, 2, 0, 1, 2, 3], "row 9 must have a label between 0 and 2, got 3"),
        ([0, 1, 2, 0, 1, -1, 0, 1, 2, -1], "row 5 must have a label between 0 and 2, got -1"),
    ],
)
def test_a_bad_label_is_found_before_any_image_is_decoded(
    labels: list[int | None], message: str, tmp_path: Path
) -> None:
    write_parquet_folder(tmp_path)
    write_parquet(tmp_path / TRAIN, [b"no image"] * 10, labels)
    refused(tmp_path, f"^`source`: .*{TRAIN} {message}")


def test_the_columns_may_have_their_other_names(tmp_path: Path) -> None:
    for name, count in (("train.parquet", 5), ("test.parquet", 2)):
        write_parquet(
            tmp_path / name,
            images(count),
            list(range(count)),
            image_column="image",
            label_column="fine_label",
            names=tuple("vwxyz"),
            label_type=pa.uint8(),
        )
    train = open_images(tmp_path).train
    assert train.class_names == tuple("vwxyz")
    assert train.labels.dtype == torch.int64
    assert train.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"picture": "img"},
            "must have a column `image` or `img` for its images, but its columns are picture, lab",
        ),
        (
            {"target": "label"},
            "must have a column `label` or `fine_label` for its labels, but its columns are img, t",
        ),
    ],
)
def test_a_missing_column_is_named_with_those_found(
    columns: dict[str, str], message: str, tmp_path: Path
) -> None:
    write_parquet_folder(tmp_path)
    table = pq.read_table(tmp_path / TRAIN)
    renamed = {old: new for new, old in columns.items()}
    pq.write_table(
        table.rename_columns([renamed.get(name, name) for name in table.column_names]),
        tmp_path / TRAIN,
    )
    refused(tmp_path, f"^`source`: .*{TRAIN} {message}")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("img", pa.array([1] * 10), "column `img` of .* must be a struct .* got int64"),
        (
            "img",
            pa.array([{"path": "a.png"}] * 10),
            "column `img` of .* must be a struct .* got struct<path: string>",
        ),
        (
            "img",
            pa.array([{"bytes": "text"}] * 10),
            "column `img` of .* must be a struct .* got struct<bytes: string>",
        ),
        ("label", pa.array(["cat"] * 10), "column `label` of .* must hold whole numbers, got str"),
        ("label", pa.array([0.0] * 10), "column `label` of .* must hold whole numbers, got double"),
    ],
)
def test_a_column_of_another_type_is_named(
    column: str, values: pa.Array, message: str, tmp_path: Path
) -> None:
    write_parquet_folder(tmp_path)
    table = pq.read_table(tmp_path / TRAIN)
    position = table.column_names.index(column)
    pq.write_table(table.set_column(position, column, values), tmp_path / TRAIN)
    refused(tmp_path, f"^`source`: {message}")


def test_files_must_agree_on_the_classes(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    test = tmp_path / "test-00000-of-00001.parquet"
    write_parquet(test, images(3), [0, 1, 2], names=("crow", "bee", "asp"))
    refused(tmp_path, "same class names in the same order, but class 1 is 'asp' in .* and 'bee' in")
    write_parquet(test, images(3), [0, 1, 2], names=None)
    refused(tmp_path, "class 0 is 'crow' in .* and None in .*test-00000")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (b"{", "`huggingface` metadata that does not describe its column `label` .JSONDecodeError"),
        (b"[]", "`huggingface` metadata that does not describe its column `label` .TypeError"),
        (features(NAMES, "other"), "metadata that does not describe its column `label` .KeyError"),
        (features("aba"), "must name its classes by a list of strings, all different, got .'a', "),
        (features([]), r"must name its classes by a list of strings, all different, got \[\]"),
        (
            json.dumps({"info": {"features": {"label": {"names": "abc"}}}}).encode(),
            "must name its classes by a list of strings, all different, got 'abc'",
        ),
    ],
)
def test_metadata_that_name_no_classes_are_refused(
    metadata: bytes, message: str, tmp_path: Path
) -> None:
    write_parquet_folder(tmp_path)
    write_parquet(tmp_path / TRAIN, images(10), [0] * 10, names=None, metadata=metadata)
    refused(tmp_path, f"^`source`: .*{TRAIN} .*{message}")


@pytest.mark.parametrize(
    "metadata", [None, json.dumps({"info": {"features": {"label": {"dtype": "int64"}}}}).encode()]
)
def test_classes_without_names_are_numbered_up_to_the_highest_label(
    metadata: bytes | None, tmp_path: Path
) -> None:
    for name, labels in (("train", [0, 1, 0, 1, 0, 3]), ("test", [2, 1])):
        path = tmp_path / f"{name}.parquet"
        write_parquet(path, images(len(labels)), labels, names=None, metadata=metadata)
    assert open_images(tmp_path, limit=2).train.class_names == ("0", "1", "2", "3")
    write_parquet(path, images(1), [4], names=None, metadata=metadata)
    refused(tmp_path, "test.parquet row 0 must have a label between 0 and 3, got 4")
    train = tmp_path / "train.parquet"
    write_parquet(train, images(2), [0, -1], names=None, metadata=metadata)
    refused(tmp_path, "train.parquet row 1 must have a label at least 0, got -1")
    write_parquet(train, images(2), [0, 2**20], names=None, metadata=metadata)
    refused(tmp_path, "count its classes from 0 .* highest of 2 labels is 1048576$")


def test_files_without_rows_are_named(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    write_parquet(tmp_path / "test-00000-of-00001.parquet", [], [])
    refused(tmp_path, "must hold images, but .*test-00000-of-00001.parquet has no rows")


def test_images_of_mixed_sizes_need_image_size(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    wide = encoded(pixels(4, 10, 12, 3))
    write_parquet(tmp_path / TRAIN, [*images(9), wide], [0] * 10)
    refused(
        tmp_path,
        rf"must hold images of one size, but .*train-00000-of-00002.parquet row 0 has 6 x 5 pixels "
        rf"\(height x width\) and .*{TRAIN} row 9 has 10 x 12; pass `image_size` "
        rf"\(`--image-size`\)",
    )
    train, test = open_images(tmp_path, image_size=4)
    assert train.images.shape == (20, 3, 4, 4)
    assert test.images.shape == (3, 3, 4, 4)


def test_test_images_of_another_size_need_image_size(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path)
    larger = [encoded(image) for image in pixels(4, 3, 8, 8, 3)]
    write_parquet(tmp_path / "test-00000-of-00001.parquet", larger, [0, 1, 2])
    refused(tmp_path, "test-00000-of-00001.parquet row 0 has 8 x 8; pass `image_size`")
