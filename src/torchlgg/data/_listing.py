"""What lies in a folder, sorted by name, without what is hidden and without walking in circles."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from torchlgg.core import InputError


def visible_folders(folder: Path) -> list[Path]:
    """The folders in a folder, without hidden ones and links to the folder or what it lies in."""
    above = {folder.resolve(), *folder.resolve().parents}
    with _listing(folder):
        return sorted(
            path
            for path in folder.iterdir()
            if not path.name.startswith(".") and path.is_dir() and path.resolve() not in above
        )


def visible_files(folder: Path, *, suffixes: Collection[str] | None) -> list[Path]:
    """The files in a folder whose ending, in lower case, is one of ``suffixes``; None is all."""
    with _listing(folder):
        return sorted(
            path
            for path in folder.iterdir()
            if not path.name.startswith(".")
            and (suffixes is None or path.suffix.lower() in suffixes)
            and not path.is_dir()
        )


def visible_files_below(folder: Path, *, suffixes: Collection[str]) -> list[Path]:
    """The same at any depth; links to folders are not followed."""
    found: list[Path] = []
    with _listing(folder):
        for parent, folders, _ in os.walk(folder, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += visible_files(Path(parent), suffixes=suffixes)
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def _listing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"`source` must be a folder that can be read, but {error.filename or folder} cannot: "
            f"{error.strerror or error}"
        ) from error
