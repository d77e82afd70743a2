"""What a caller's source is: the digits, a file or a folder that exists, and of which form."""

from __future__ import annotations

import os
from pathlib import Path

from torchlgg.core import InputError, did_you_mean
from torchlgg.data._listing import visible_files, visible_folders
from torchlgg.data._parquet_files import parquet_files

_ACCEPTED = (
    "'digits', a folder of parquet files (train*.parquet, test*.parquet), a folder with one "
    "folder of images a class, the published files of CIFAR or SVHN, or arrays (train_images.npy "
    "and so on, or one .npz)"
)


def existing_path(source: str | os.PathLike[str]) -> Path:
    """The folder, or the .npz file, that a caller names.

    Raises:
        InputError: when there is no such thing; the message names what is nearest.
    """
    if not isinstance(source, str | os.PathLike) or not isinstance(os.fspath(source), str):
        raise InputError(f"`source` must be {_ACCEPTED}, got {type(source).__name__} {source!r}")
    path = Path(source).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ".npz"):
        return path
    if path.exists():
        hint = (
            "pass the folder it lies in"
            if path.suffix in (".parquet", ".npy", ".mat")
            else "if it is an archive, unpack it and pass the folder"
        )
        raise InputError(f"`source` must be {_ACCEPTED}, but {path} is a file; {hint}")
    missing = path
    while not missing.parent.exists():
        missing = missing.parent
    known = [found.name for found in visible_folders(missing.parent)]
    hint = did_you_mean(missing.name, ["digits", *known] if missing == Path(source) else known)
    raise InputError(
        f"`source` must be {_ACCEPTED}, but {str(path)!r} does not exist: there is no "
        f"{missing.name!r} in {missing.parent}{hint}"
    )


def check_class_layout(folder: Path) -> None:
    """Raise an `InputError` for a folder of no known form that cannot hold class folders."""
    folders = visible_folders(folder)
    if not folders:
        archives = visible_files(folder, suffixes=(".npz",))
        hint = f"; pass {archives[0]}" if archives else ""
        raise InputError(
            f"`source` must be {_ACCEPTED}, but {folder} has neither parquet files nor folders"
            f"{hint}"
        )
    for inner in folders:
        if parquet_files(inner):
            raise InputError(
                f"`source` must be {_ACCEPTED}, but the parquet files of {folder} lie in "
                f"{inner.name!r}: pass {inner}"
            )
