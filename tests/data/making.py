"""Small parquet files and image folders for the tests of `open_images`."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

NAMES = ("crow", "asp", "bee")


def pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(file, kind, **options)
    return file.getvalue()


def features(names: Sequence[str], column: str = "label") -> bytes:
    feature = {"names": list(names), "_type": "ClassLabel"}
    return json.dumps({"info": {"features": {column: feature}}}).encode()


def write_parquet(
    path: Path,
    images: Sequence[bytes | None],
    labels: Sequence[int | None],
    *,
    image_column: str = "img",
    label_column: str = "label",
    names: Sequence[str] | None = NAMES,
    metadata: bytes | None = None,
    row_group_size: int = 4,
    label_type: pa.DataType | None = None,
) -> None:
    if names is not None:
        metadata = features(names, label_column)
    stored = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [(image_column, stored), (label_column, label_type or pa.int64())],
        metadata=None if metadata is None else {b"huggingface": metadata},
    )
    rows = [{"bytes": image, "path": f"{i}.png"} for i, image in enumerate(images)]
    table = pa.table({image_column: rows, label_column: list(labels)}, schema=schema)
    pq.write_table(table, path, row_group_size=row_group_size)


def write_parquet_folder(folder: Path, *, shards: int = 2, rows: int = 10) -> np.ndarray:
    """Shards of ``rows`` training images 6 x 5, a test file of 3; returns the training pixels."""
    train = pixels(0, shards * rows, 6, 5, 3)
    for shard in range(shards):
        inside = range(shard * rows, (shard + 1) * rows)
        write_parquet(
            folder / f"train-{shard:05d}-of-{shards:05d}.parquet",
            [encoded(train[row]) for row in inside],
            [row % 3 for row in inside],
        )
    test = pixels(1, 3, 6, 5, 3)
    write_parquet(folder / "test-00000-of-00001.parquet", [encoded(x) for x in test], [2, 1, 0])
    return train


def write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def write_class_folders(folder: Path, counts: dict[str, int], *, seed: int = 0) -> None:
    """``counts[name]`` images 6 x 5 in each class folder, all different."""
    for position, (name, count) in enumerate(counts.items()):
        for number in range(count):
            image = pixels(seed + 1000 * position + number, 6, 5, 3)
            write_image(folder / name / f"{number:03d}.png", image)
