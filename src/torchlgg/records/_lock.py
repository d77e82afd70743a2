"""One process at a time: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from torchlgg.core import InputError

_GLANCES, _GLANCE = 5, 0.02  # a look by another process, as `is_held` takes it, is over by then


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
        for glances in range(_GLANCES, -1, -1):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if glances == 0:
                    raise InputError(
                        f"another process is at work in {str(folder)!r}; wait for it to end, or "
                        "stop it"
                    ) from error
                time.sleep(_GLANCE)
            except OSError:
                break  # a disk that has no locks
        yield
    finally:
        os.close(handle)


def is_held(place: Path) -> bool | None:
    """Whether a process holds the lock of a folder or a file; ``None`` where nobody can say.

    It says so by taking the lock for a moment, which :func:`locked` waits out.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)):
        ...     is_held(Path(folder))
        True
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        handle = os.open(place, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False
