"""Files of one JSON object a line that survive a kill in the middle of a line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from torchlgg.core import InputError, cannot


def append_line(path: Path, line: str, *, durable: bool) -> None:
    """Add one line; what an earlier, killed write left of its line is cut off first.

    Args:
        path: the file, made if it is absent.
        line: the text with its line end.
        durable: wait for the disk. Without, the line survives the end of this process, however
            violent, but not a power cut.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        with open(path, "ab+") as file:
            if size := file.seek(0, os.SEEK_END):
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    file.truncate(len(_whole_lines(path)))
            file.write(line.encode())  # append mode: at the end, wherever the file was read
            file.flush()
            if durable:
                os.fsync(file.fileno())
    except OSError as error:
        raise cannot("write", path, error) from error


def _whole_lines(path: Path) -> bytes:
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]


def read_lines(path: Path) -> list[str]:
    """The whole lines of a file; the last one is dropped if its line end is missing.

    Returns:
        The lines without their ends; none if there is no such file.

    Raises:
        InputError: the file cannot be read as text.
    """
    try:
        return _whole_lines(path).decode().split("\n")[:-1]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {str(path)!r}: {error}") from error


def read_objects(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file, one a line.

    Raises:
        InputError: a whole line that is not a JSON object, by its number.
    """
    objects = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InputError(
                f"line {number} of {str(path)!r} must be a JSON object, got {line[:60]!r}"
            )
        objects.append(found)
    return objects
