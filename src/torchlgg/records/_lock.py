"""One process at a time: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from torchlgg.core import InputError


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for the time of the block; no file is made for it.

    Where the system has no such lock (Windows, some network disks), nothing is held.

    Raises:
        InputError: another process holds it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)):
        ...     with locked(Path(folder)):
        ...         pass
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: another process is at work in ...
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another process is at work in {str(folder)!r}; wait for it to end, or stop it"
            ) from error
        except OSError:
            pass  # a disk that has no locks
        yield
    finally:
        os.close(handle)
