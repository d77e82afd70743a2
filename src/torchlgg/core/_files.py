"""Files that are whole or absent: written beside their place, then moved into it in one step."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from torchlgg.core._errors import InputError

# The disk, not the code, is at fault: these may also come out of the caller's own `write`.
_DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_PARTIAL = re.compile(r"\.[0-9a-f]{16}\.partial")


def is_partial(name: str) -> bool:
    """Whether a file of this name is what a killed write left behind.

    Example:
        >>> is_partial(".0123456789abcdef.partial"), is_partial("weights.partial")
        (True, False)
    """
    return _PARTIAL.fullmatch(name) is not None


def cannot(action: str, path: Path, error: OSError | ValueError) -> InputError:
    """The sentence for a path that the operating system refuses.

    Example:
        >>> str(cannot("write", Path("a/b"), FileNotFoundError(2, "No such file or directory")))
        "cannot write 'a/b': no such file or directory; choose a place that exists and ..."
    """
    reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        advice = "free some space, or choose another disk"
    else:
        advice = "choose a place that exists and that you may write to"
    return InputError(f"cannot {action} {str(path)!r}: {reason[:1].lower()}{reason[1:]}; {advice}")


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that appears at ``path`` whole, when the block ends, or not at all.

    The bytes go to a hidden file in the same folder, reach the disk, and then take the name in
    one step: a reader sees the old file or the new one. If the block raises, the hidden file is
    removed and an old file stays as it was.

    Args:
        path: the file to make or to replace; its folder must exist. Of a symbolic link, the file
            it points to is replaced.

    Yields:
        A binary file, open for writing.

    Raises:
        InputError: the folder is absent or not writable, the disk is full, or ``path`` is
            something other than a file. Other errors of the block pass through.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with write_atomically(f"{folder}/a.bin") as file:
        ...         count = file.write(b"123")
        ...     Path(folder, "a.bin").read_bytes()
        b'123'
    """
    target = Path(path)
    try:
        target = Path(os.path.realpath(target))
        if target.exists() and not target.is_file():
            raise InputError(f"cannot write {str(target)!r}: it exists and is not a file")
        partial = target.with_name(f".{secrets.token_hex(8)}.partial")
        # not mkstemp, whose files only their owner may read: the umask decides
        file = os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb")
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise cannot("write", target, error) from error
    try:
        try:
            yield file
        except OSError as error:
            if error.errno in _DISK_FAULTS:
                raise cannot("write", target, error) from error
            raise
        _to_disk(file, partial, target)
    except BaseException:
        with contextlib.suppress(OSError):  # what it still holds finds no room either
            file.close()
        partial.unlink(missing_ok=True)
        raise


def _to_disk(file: BinaryIO, partial: Path, target: Path) -> None:
    try:
        file.flush()
        os.fsync(file.fileno())
        file.close()  # before the move: an open file cannot be moved on every system
        os.replace(partial, target)
    except OSError as error:
        raise cannot("write", target, error) from error
    # The name is in the folder, and the folder has to reach the disk too, where that exists.
    with contextlib.suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file with :func:`write_atomically`; line ends stay as they are.

    Args:
        path: the file to make or to replace; its folder must exist.
        text: the whole content.

    Raises:
        InputError: as for :func:`write_atomically`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text_atomically(f"{folder}/a.txt", "naïve")
        ...     Path(folder, "a.txt").read_text(encoding="utf-8")
        'naïve'
    """
    with write_atomically(path) as file:
        file.write(text.encode())
