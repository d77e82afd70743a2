"""Which files of a folder make up the training and the test set of a parquet data set."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from torchlgg.core import InputError
from torchlgg.data._listing import visible_files

_TEST_NAMES = ("test", "validation", "valid", "val")
_SERIES = re.compile(r"(?P<stem>.+)-(?P<position>\d+)-of-(?P<length>\d+)\.parquet")
_NAMED_AT_MOST = 3


class ParquetFiles(NamedTuple):
    """The files of both splits, in the order in which they are joined."""

    train: list[Path]
    test: list[Path]
    test_name: str


def parquet_files(folder: Path) -> list[Path]:
    """The parquet files of a folder, sorted by name, hidden ones left out."""
    return visible_files(folder, suffixes=(".parquet",))


def find_parquet_files(folder: Path) -> ParquetFiles:
    """The files of both splits of a folder.

    Args:
        folder: holds ``train*.parquet``, and ``test*.parquet`` or, where there is no such file,
            ``validation*.parquet`` (also ``valid*`` and ``val*``). The word may be followed by
            anything but a letter.

    Returns:
        All files of each split, sorted by name.

    Raises:
        InputError: when a split has no file, or of files numbered ``-00000-of-00005`` some are
            missing.
    """
    files = parquet_files(folder)
    train = _files_of("train", files)
    test_name = next((name for name in _TEST_NAMES if _files_of(name, files)), None)
    if not train or test_name is None:
        raise InputError(
            f"`source` must hold train*.parquet and test*.parquet (or validation*.parquet), but "
            f"the parquet files of {folder} are {_listed([path.name for path in files])}"
        )
    test = _files_of(test_name, files)
    for split in (train, test):
        _check_complete(folder, split)
    return ParquetFiles(train, test, test_name)


def _files_of(split: str, files: list[Path]) -> list[Path]:
    return [path for path in files if re.match(rf"{split}(?![a-z])", path.name.lower())]


def _check_complete(folder: Path, files: list[Path]) -> None:
    series: dict[tuple[str, str], set[int]] = {}
    for path in files:
        if match := _SERIES.fullmatch(path.name):
            key = (match["stem"], match["length"])
            series.setdefault(key, set()).add(int(match["position"]))
    for (stem, length), positions in series.items():
        missing = [
            f"{stem}-{position:0{len(length)}d}-of-{length}.parquet"
            for position in range(int(length))
            if position not in positions
        ]
        if missing:
            raise InputError(
                f"`source` must hold all {int(length)} files of a series, but in {folder} there "
                f"is no {_listed(missing)}; fetch what is missing"
            )


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
