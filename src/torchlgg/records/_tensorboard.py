"""Metrics as TensorBoard shows them: a copy of the rows, which stay the truth."""

from __future__ import annotations

import io
import os
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torchlgg.core import InputError, cannot, write_atomically

_NAME = "events.out.tfevents.torchlgg"


def write_tensorboard(
    rows: Sequence[Mapping[str, Any]],
    folder: str | os.PathLike[str],
    *,
    began: float | None = None,
) -> Path:
    """Write every number of every row for TensorBoard, into one file that grows with the rows.

    A number in a mapping is a scalar named ``mapping/key``, such as ``terms/gkd`` or
    ``smoothness/layer1``; others keep their names. What is no number is left out. To be called
    with all rows so far, after each epoch or once: what an earlier call has written is kept, so
    that an open TensorBoard follows, and made anew where the rows are not those any more.

    Args:
        rows: as of :meth:`Journal.metrics`, each with its ``epoch``.
        folder: made if it is absent. Event files of others in it are left alone.
        began: seconds since 1970 at which the first epoch began; ``None``: as an earlier call
            has it, or as many as the rows have ``seconds`` before now.

    Returns:
        The event file.

    Raises:
        InputError: a row without an epoch, ``tensorboard`` is not installed, or the file cannot
            be written.

    Example:
        >>> import tempfile
        >>> rows = [{"epoch": 1, "terms": {"ce": 0.5}, "smoothness": {"layer1": 0.1}}]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_tensorboard(rows, folder).name
        'events.out.tfevents.torchlgg'
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise InputError(
            'TensorBoard\'s event files need its package: `pip install "torchlgg[tensorboard]"`, '
            "or `pip install tensorboard`"
        ) from error
    for place, row in enumerate(rows):
        if not isinstance(row.get("epoch"), int):
            raise InputError(f"`rows` must have an epoch each, row {place} has {row.get('epoch')}")
    seconds = [float(row.get("seconds") or 0) for row in rows]
    path = Path(folder) / _NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise cannot("write", path, error) from error
    at = began
    if at is None:
        at = _first_time(before) or time.time() - sum(seconds)
    content = io.BytesIO()
    writer = RecordWriter(content)
    writer.write(Event(wall_time=at, file_version="brain.Event:2").SerializeToString())
    for row, took in zip(rows, seconds, strict=True):
        at += took
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in _scalars(row)]
        event = Event(wall_time=at, step=row["epoch"], summary=Summary(value=values))
        writer.write(event.SerializeToString())
    now = content.getvalue()
    if before and now.startswith(before):  # also where a kill has cut the last event off
        try:
            with open(path, "ab") as file:
                file.write(now[len(before) :])
        except OSError as error:
            raise cannot("write", path, error) from error
    else:
        with write_atomically(path) as file:
            file.write(now)
    return path


def _first_time(content: bytes) -> float | None:
    """The time of the first event of a file: after 12 bytes of its record, a tag and a double."""
    if len(content) < 21 or content[12] != 0x09:  # field 1, eight bytes
        return None
    (time,) = struct.unpack("<d", content[13:21])
    return float(time)


def _scalars(row: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{above}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "epoch":
            yield f"{above}{name}", float(value)
