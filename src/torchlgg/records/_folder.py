"""Making, emptying and unmaking the folder of a run: nothing goes that the run did not make."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from torchlgg.core import InputError, cannot, is_partial
from torchlgg.records._run_info import read_run_info

MARKER = "run.json"
METRICS = "metrics.jsonl"
RESULTS = "results.jsonl"
OWN = frozenset({MARKER, METRICS, RESULTS})


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
    own = OWN | set(info.entries)
    foreign = [name for name in names if name not in own and not is_partial(name)]
    if foreign:
        raise InputError(
            f"{place} holds {foreign[0]!r}, which the run there did not make, so that --overwrite "
            "would remove something else; move it away or choose another folder"
        )
    return [name for name in names if name != MARKER]


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
