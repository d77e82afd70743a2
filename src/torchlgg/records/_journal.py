"""Rows of metrics and typed results: two files to which a run adds, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torchlgg.core import InputError, write_text_atomically
from torchlgg.records._folder import METRICS, RESULTS
from torchlgg.records._json import json_line, json_value
from torchlgg.records._lines import append_line, read_lines, read_objects
from torchlgg.records._result import Result


class Journal:
    """The metrics and the results in a folder, one JSON object a line; part of a run folder.

    Args:
        folder: where ``metrics.jsonl`` and ``results.jsonl`` lie, or shall lie; it exists.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     journal = Journal(Path(folder))
        ...     journal.append_metrics({"epoch": 1, "loss": float("nan")})
        ...     journal.metrics()
        [{'epoch': 1, 'loss': None}]
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The folder's path."""
        return self._folder

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add one line to ``metrics.jsonl``; it is there even if the process is killed next.

        Args:
            row: JSON values by name. NaN and infinity, which JSON does not have, become ``None``:
                a run that diverges is recorded, too.

        Raises:
            InputError: a value JSON cannot hold, by its name; or the file cannot be written.
        """
        found = json_value(dict(row), name="row", non_finite="null")
        append_line(self._folder / METRICS, json_line(found), durable=False)

    def metrics(self) -> list[dict[str, Any]]:
        """Every row of :meth:`append_metrics`, oldest first; a last line cut off is left out.

        Raises:
            InputError: another line is damaged; its number is named.
        """
        return read_objects(self._folder / METRICS)

    def replace_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write ``metrics.jsonl`` anew, whole or not at all.

        Args:
            rows: as for :meth:`append_metrics`, oldest first.

        Raises:
            InputError: a value JSON cannot hold, or the file cannot be written.
        """
        found = [json_value(dict(row), name="row", non_finite="null") for row in rows]
        write_text_atomically(self._folder / METRICS, "".join(map(json_line, found)))

    def write_result(self, result: Result) -> None:
        """Add one ``result`` to ``results.jsonl``, and wait until it is on the disk.

        Raises:
            InputError: not a :class:`Result`, or the file cannot be written.
        """
        if not isinstance(result, Result):
            raise InputError(f"`result` must be a Result, got {type(result).__name__}")
        append_line(self._folder / RESULTS, result.to_json() + "\n", durable=True)

    def results(self) -> list[Result]:
        """Every result of :meth:`write_result`, oldest first; a last line cut off is left out.

        Raises:
            InputError: another line is damaged; its number is named.
        """
        results = []
        for number, line in enumerate(read_lines(self._folder / RESULTS), start=1):
            try:
                results.append(Result.from_json(line))
            except InputError as error:
                raise InputError(
                    f"line {number} of {str(self._folder / RESULTS)!r} is damaged: {error}"
                ) from error
        return results
