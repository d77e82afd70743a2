"""Folders of parquet files as the Hugging Face hub serves image classification sets.

Each row has a struct column ``image`` or ``img`` with the stored file in its field ``bytes``, and
a whole-number column ``label`` or ``fine_label``; the names of the classes are in the metadata of
the schema. Files are read by column and row group, labels before pixels, so that a bad label is
found before anything is decoded. Rows are counted from 0 within their file.

Shapes: N rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from torchlgg.core import InputError
from torchlgg.data._parquet_files import find_parquet_files
from torchlgg.data._parts import Part, Parts, train_name
from torchlgg.data._pixels import PixelReader, StoredImage

if TYPE_CHECKING:
    from pyarrow import ChunkedArray, Schema
    from pyarrow.parquet import ParquetFile

_IMAGE_COLUMNS = ("image", "img")
_LABEL_COLUMNS = ("label", "fine_label")
_ROWS_AT_ONCE = 512  # rows whose stored bytes are Python objects at one time


class _Shard(NamedTuple):
    """One file: its columns, its class names where it has them, and its number of rows."""

    path: Path
    image_column: str
    label_column: str
    class_names: tuple[str, ...] | None
    rows: int


class _Piece(NamedTuple):
    """One column of one row group, and where its first row stands in the file."""

    path: Path
    first_row: int
    column: ChunkedArray


def read_parquet(
    folder: Path,
    *,
    limit: int | None,
    image_size: int | None,
    progress: Callable[[int, int], None] | None,
) -> Parts:
    """Both splits of a folder of parquet files.

    Args:
        folder: see `find_parquet_files`.
        limit: number of training rows, from the first; row groups beyond are not read.
        image_size: see `PixelReader`.
        progress: see `PixelReader`.

    Returns:
        Both splits and the class names; without names in the metadata, "0", "1", ... up to the
        highest label of the training files.

    Raises:
        InputError: when a file is missing, damaged or of another layout, or a row cannot be used.
    """
    files = find_parquet_files(folder)
    train = [_inspect(path) for path in files.train]
    test = [_inspect(path) for path in files.test]
    available, test_rows = (sum(shard.rows for shard in shards) for shards in (train, test))
    for paths, rows in ((files.train, available), (files.test, test_rows)):
        if rows == 0:
            raise InputError(f"`source` must hold images, but {paths[0]} has no rows")
    taken = available if limit is None else min(limit, available)
    class_names = _common_class_names([*train, *test])
    if class_names is None:
        highest = int(_read_labels(train, available, class_count=None).max())
        if highest >= available:
            raise InputError(
                f"`source` must count its classes from 0 where the metadata does not name them, "
                f"but the highest of {available} labels is {highest}"
            )
        class_names = tuple(map(str, range(highest + 1)))
    train_labels = _read_labels(train, taken, class_count=len(class_names))
    test_labels = _read_labels(test, test_rows, class_count=len(class_names))
    reader = PixelReader(image_size=image_size, total=taken + test_rows, progress=progress)
    return Parts(
        Part(
            reader.read(_stored_images(train, taken), taken),
            torch.from_numpy(train_labels),
            train_name(taken, available),
        ),
        Part(
            reader.read(_stored_images(test, test_rows), test_rows),
            torch.from_numpy(test_labels),
            files.test_name,
        ),
        class_names,
    )


def _inspect(path: Path) -> _Shard:
    import pyarrow as pa

    with _opened(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
        _check_rows(path, rows, sum(_rows_of(file, group) for group in range(file.num_row_groups)))
    columns = {}
    for kind, accepted in (("image", _IMAGE_COLUMNS), ("label", _LABEL_COLUMNS)):
        found = next((name for name in accepted if name in schema.names), None)
        if found is None:
            raise InputError(
                f"`source`: {path} must have a column `{accepted[0]}` or `{accepted[1]}` for its "
                f"{kind}s, but its columns are {', '.join(schema.names) or 'none'}"
            )
        columns[kind] = found
    image_type = schema.field(columns["image"]).type
    is_struct = pa.types.is_struct(image_type) and image_type.get_field_index("bytes") >= 0
    content_type = image_type.field("bytes").type if is_struct else None
    if content_type not in (pa.binary(), pa.large_binary()):
        raise InputError(
            f"`source`: column `{columns['image']}` of {path} must be a struct with the stored "
            f"image in a binary field `bytes`, got {image_type}"
        )
    label_type = schema.field(columns["label"]).type
    if not pa.types.is_integer(label_type):
        raise InputError(
            f"`source`: column `{columns['label']}` of {path} must hold whole numbers, got "
            f"{label_type}"
        )
    class_names = _class_names(schema, columns["label"], path)
    return _Shard(path, columns["image"], columns["label"], class_names, rows)


def _class_names(schema: Schema, label_column: str, path: Path) -> tuple[str, ...] | None:
    description = (schema.metadata or {}).get(b"huggingface")
    if description is None:
        return None
    try:
        names = json.loads(description)["info"]["features"][label_column].get("names")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"`source`: {path} has `huggingface` metadata that does not describe its column "
            f"`{label_column}` ({type(error).__name__}: {error}); write the file again"
        ) from error
    if names is None:
        return None
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_list or not names or len(set(names)) < len(names):
        raise InputError(
            f"`source`: {path} must name its classes by a list of strings, all different, got "
            f"{names!r}"
        )
    return tuple(names)


def _common_class_names(shards: Sequence[_Shard]) -> tuple[str, ...] | None:
    first = shards[0]
    for shard in shards:
        if shard.class_names != first.class_names:
            pairs = zip_longest(first.class_names or (), shard.class_names or ())
            label, (one, other) = next(
                (label, pair) for label, pair in enumerate(pairs) if pair[0] != pair[1]
            )
            raise InputError(
                f"`source` must hold files with the same class names in the same order, but class "
                f"{label} is {one!r} in {first.path} and {other!r} in {shard.path}"
            )
    return first.class_names


def _read_labels(
    shards: Sequence[_Shard], rows: int, *, class_count: int | None
) -> NDArray[np.int64]:
    """The first labels of the files, each of them checked: (rows,)."""
    labels = np.empty(rows, dtype=np.int64)
    done = 0
    for path, first_row, column in _pieces(shards, rows, [shard.label_column for shard in shards]):
        if column.null_count:
            row = first_row + int(np.flatnonzero(column.is_null())[0])
            raise InputError(f"`source`: {path} row {row} has no label; remove the row or label it")
        values = column.to_numpy()
        outside = values < 0 if class_count is None else (values < 0) | (values >= class_count)
        if outside.any():
            at = int(np.flatnonzero(outside)[0])
            allowed = "at least 0" if class_count is None else f"between 0 and {class_count - 1}"
            raise InputError(
                f"`source`: {path} row {first_row + at} must have a label {allowed}, got "
                f"{values[at]}"
            )
        labels[done : done + len(values)] = values
        done += len(values)
    return labels


def _stored_images(shards: Sequence[_Shard], rows: int) -> Iterator[StoredImage]:
    names = [f"{shard.image_column}.bytes" for shard in shards]
    for path, first_row, column in _pieces(shards, rows, names):
        for start in range(0, len(column), _ROWS_AT_ONCE):
            some = column.slice(start, _ROWS_AT_ONCE).to_pylist()
            for row, image in enumerate(some, first_row + start):
                if image is None or image["bytes"] is None:
                    raise InputError(
                        f"`source`: {path} row {row} holds no image bytes; remove the row"
                    )
                yield StoredImage(image["bytes"], f"{path} row {row}")


def _pieces(shards: Sequence[_Shard], rows: int, names: Sequence[str]) -> Iterator[_Piece]:
    """One column of the first rows of the files, a row group at a time and none beyond."""
    remaining = rows
    for shard, name in zip(shards, names, strict=True):
        with _opened(shard.path) as file:
            first_row = 0
            for group in range(file.num_row_groups):
                if remaining == 0:
                    return
                column = file.read_row_group(group, columns=[name]).column(0)
                _check_rows(shard.path, _rows_of(file, group), len(column))
                column = column.slice(0, remaining)
                yield _Piece(shard.path, first_row, column)
                first_row += len(column)
                remaining -= len(column)


def _rows_of(file: ParquetFile, group: int) -> int:
    rows: int = file.metadata.row_group(group).num_rows
    return rows


def _check_rows(path: Path, announced: int, found: int) -> None:
    if announced != found:
        raise InputError(
            f"`source`: {path} cannot be read as a parquet file: it announces {announced} rows "
            f"where it holds {found}; fetch or write it again"
        )


@contextmanager
def _opened(path: Path) -> Iterator[ParquetFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"`source`: {path} cannot be read as a parquet file: {reason.rstrip('.')}; fetch or "
            f"write it again"
        ) from error
