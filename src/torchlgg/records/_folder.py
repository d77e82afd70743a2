"""Making, emptying and unmaking the folder of a run: nothing goes that the run did not make."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from torchlgg.core import InputError, cannot, is_partial, write_atomically
from torchlgg.records._run_info import RunInfo, read_run_info

MARKER = "run.json"
METRICS = "metrics.jsonl"
RESULTS = "results.jsonl"
OWN = frozenset({MARKER, METRICS, RESULTS})


def begin_folder(folder: Path, text: str, *, overwrite: bool) -> None:
    """Make the folder of a new run with ``text`` as its ``run.json``, or change nothing."""
    old, made = _claim(folder, overwrite=overwrite)
    try:
        with write_atomically(folder / MARKER) as file:
            file.write(text.encode())
            file.flush()
            # The new run.json has found its room on the disk: only now the old run goes. Its
            # own run.json is there until the very end, so that a kill leaves a run folder.
            remove_entries(folder, old)
    except BaseException:
        unmake(made)
        raise


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise :class:`InputError` if :func:`begin_folder` would; leave nothing behind."""
    _, made = _claim(folder, overwrite=overwrite)
    try:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise cannot("write to", folder, PermissionError(errno.EACCES, "permission denied"))
    finally:
        unmake(made)


def check_is_run(folder: Path, *, named: str) -> None:
    """Raise :class:`InputError` unless the folder is there and holds a ``run.json``."""
    try:
        if not folder.is_dir():
            problem = "is a file" if folder.exists() else "does not exist"
            raise InputError(f"`path` must be the folder of a run: {named!r} {problem}")
        if not (folder / MARKER).is_file():
            raise InputError(f"`path` must be the folder of a run: {named!r} holds no {MARKER}")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {named!r}: {error}") from error


def _claim(folder: Path, *, overwrite: bool) -> tuple[list[str], list[Path]]:
    """Make the folder if it is free: what is to be replaced in it, and what was made."""
    try:
        return entries_to_replace(folder, overwrite=overwrite), make_folder(folder)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise cannot("make the folder", folder, error) from error


def make_folder(folder: Path) -> list[Path]:
    """Make the folder; return what was absent before, the deepest first."""
    absent = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        unmake(absent)
        raise
    return absent


def unmake(folders: Sequence[Path]) -> None:
    """Take back what :func:`make_folder` made; a folder with something in it stays."""
    for folder in folders:
        with contextlib.suppress(OSError):  # never made, or already in use by somebody else
            folder.rmdir()


def entries_to_replace(folder: Path, *, overwrite: bool) -> list[str]:
    """The names in the folder that a new run there replaces; none is touched."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise InputError(f"`path` must be a folder: {str(folder)!r} is a file; choose another name")
    names = sorted(os.listdir(folder))
    if all(map(is_partial, names)):  # a run that was killed as it began
        return names
    place = f"`path` must be a new or an empty folder: {str(folder)!r}"
    if not (folder / MARKER).is_file():
        raise InputError(
            f"{place} holds files that are not a run of torchlgg; choose another folder"
        )
    info = read_run_info(folder / MARKER)
    if not overwrite:
        raise InputError(
            f"{place} holds the run of {info.created}; choose another folder or pass --overwrite"
        )
    own, foreign = entries_of_run(folder, info)
    if foreign:
        raise InputError(
            f"{place} holds {foreign[0]!r}, which the run there did not make, so that --overwrite "
            "would remove something else; move it away or choose another folder"
        )
    return own


def entries_of_run(folder: Path, info: RunInfo) -> tuple[list[str], list[str]]:
    """What the run has put beside its ``run.json``, and what else lies there."""
    own = OWN | set(info.entries)
    names = sorted(set(os.listdir(folder)) - {MARKER})
    foreign = [name for name in names if name not in own and not is_partial(name)]
    return [name for name in names if name not in foreign], foreign


def remove_entries(folder: Path, names: Sequence[str]) -> None:
    """Remove these files and folders; of a link, the link alone."""
    for name in names:
        entry = folder / name
        try:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
        except OSError as error:
            raise cannot("remove", entry, error) from error
