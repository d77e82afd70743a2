from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest


@pytest.fixture
def count_row_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], dict[tuple[str, int], list[str]]]:
    """Start recording which columns of which row groups of which files are read."""

    def start() -> dict[tuple[str, int], list[str]]:
        read: dict[tuple[str, int], list[str]] = defaultdict(list)
        opened: dict[int, str] = {}
        init, original = pq.ParquetFile.__init__, pq.ParquetFile.read_row_group

        def remember(self: pq.ParquetFile, source: Any, **options: Any) -> None:
            opened[id(self)] = source.name
            init(self, source, **options)

        def record(self: pq.ParquetFile, group: int, *, columns: list[str]) -> Any:
            read[opened[id(self)], group] += columns
            return original(self, group, columns=columns)

        monkeypatch.setattr(pq.ParquetFile, "__init__", remember)
        monkeypatch.setattr(pq.ParquetFile, "read_row_group", record)
        for other in ("read", "read_row_groups", "iter_batches"):
            monkeypatch.delattr(pq.ParquetFile, other)
        return read

    return start
