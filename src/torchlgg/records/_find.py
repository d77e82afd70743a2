"""Finding runs on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from torchlgg.core import InputError
from torchlgg.records._folder import MARKER


def find_runs(path: str | os.PathLike[str]) -> list[Path]:
    """Every folder with a ``run.json``, at or below a place, in the order of their names.

    Links are not followed and hidden folders are left out. Whether a ``run.json`` is one of
    torchlgg's, and whole, is for :meth:`RunFolder.open <torchlgg.records.RunFolder.open>` to say.

    Args:
        path: a folder.

    Returns:
        Their paths, beginning with ``path`` as it was given; runs inside of runs too.

    Raises:
        InputError: ``path`` is no folder, or cannot be read.

    Example:
        >>> import tempfile
        >>> from torchlgg.records import RunFolder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("gkd/seed-1", "gkd/seed-0"):
        ...         _ = RunFolder.create(f"{folder}/{name}", command="lgg train", config={})
        ...     [run.name for run in find_runs(folder)]
        ['seed-0', 'seed-1']
    """

    def stop(error: OSError) -> None:
        if Path(error.filename) == Path(path):
            raise InputError(f"cannot read the folder {str(path)!r}: {error.strerror}") from error

    if not Path(path).is_dir():
        problem = "is a file" if Path(path).exists() else "does not exist"
        raise InputError(f"`path` must be a folder with runs: {str(path)!r} {problem}")
    found = []
    for folder, names, files in os.walk(path, onerror=stop):
        names[:] = sorted(name for name in names if not name.startswith("."))
        if MARKER in files:
            found.append(Path(folder))
    return found
