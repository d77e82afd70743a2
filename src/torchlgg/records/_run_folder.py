"""One run, one folder: made whole, never mixed with another's, removed only if it is ours."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from torchlgg.core import InputError, cannot, is_partial, write_atomically, write_text_atomically
from torchlgg.records._environment import environment, source_commit
from torchlgg.records._folder import (
    MARKER,
    METRICS,
    OWN,
    RESULTS,
    entries_to_replace,
    make_folder,
    remove_entries,
    unmake,
)
from torchlgg.records._json import json_line, json_text, json_value
from torchlgg.records._lines import append_line, read_lines, read_objects
from torchlgg.records._lock import locked
from torchlgg.records._result import Result
from torchlgg.records._run_info import (
    Ending,
    Resumption,
    RunInfo,
    check_ending,
    now,
    read_run_info,
)


class RunFolder:
    """The folder in which a run leaves its configuration, metrics, results and files.

    ========================  ==================================================================
    ``run.json``              command, configuration, seeds, commit, versions, hardware, status
    ``metrics.jsonl``         one JSON object a line, written while the run goes on
    ``results.jsonl``         one :class:`Result` a line
    anything else             what the run itself asked a place for, by :meth:`path`
    ========================  ==================================================================

    Made by :meth:`create` or :meth:`open`, not from a bare ``folder``. One process writes to it
    at a time.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = RunFolder.create(f"{folder}/run", command="lgg demo", config={"epochs": 2})
        ...     run.append_metrics({"epoch": 1, "loss": 0.5})
        ...     run.finish("finished")
        ...     again = RunFolder.open(f"{folder}/run")
        ...     again.metrics(), again.info.status
        ([{'epoch': 1, 'loss': 0.5}], 'finished')
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"RunFolder({str(self._folder)!r})"

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        command: str,
        config: Mapping[str, Any],
        seeds: Sequence[int] = (),
        gpus: Sequence[str] = (),
        overwrite: bool = False,
    ) -> RunFolder:
        """Make the folder of a new run.

        Args:
            path: a folder that is absent or empty; missing parents are made too.
            command: the command line, as the user could repeat it.
            config: the full configuration, of JSON values, tuples, paths and dataclasses.
            seeds: every seed that the run draws from.
            gpus: names of the accelerators in use.
            overwrite: replace an earlier run at ``path``. Only the entries which that run itself
                made are removed; a folder that is no run, or holds something else besides, is
                refused untouched.

        Raises:
            InputError: the folder holds something, or cannot be written; nothing was changed.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     RunFolder.create(folder, command="lgg demo", config={}, seeds=[0]).info.seeds
            (0,)
        """
        folder = Path(path).absolute()
        text = _info_text(
            RunInfo(
                command=command,
                created=now(),
                seeds=tuple(seeds),
                config=json_value(dict(config), name="config"),
                commit=source_commit(),
                environment=environment(gpus=gpus),
            )
        )
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
        return cls(folder)

    @staticmethod
    def check(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Find out whether :meth:`create` would take the folder, before the work that it is for.

        Args:
            path: as for :meth:`create`.
            overwrite: as for :meth:`create`.

        Raises:
            InputError: it would not, and why. Nothing is left behind either way.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     RunFolder.check(f"{folder}/new")
        """
        folder = Path(path).absolute()
        _, made = _claim(folder, overwrite=overwrite)
        try:
            if not os.access(folder, os.W_OK | os.X_OK):
                raise cannot("write to", folder, PermissionError(errno.EACCES, "permission denied"))
        finally:
            unmake(made)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """The folder of an earlier run, or of this one.

        Args:
            path: a folder that :meth:`create` made.

        Raises:
            InputError: there is none, or its ``run.json`` cannot be used.

        Example:
            >>> RunFolder.open("no/such/run")
            Traceback (most recent call last):
            ...
            torchlgg.core._errors.InputError: `path` must be the folder of a run: 'no/such/run' ...
        """
        folder = Path(path).absolute()
        try:
            if not folder.is_dir():
                problem = "is a file" if folder.exists() else "does not exist"
                raise InputError(f"`path` must be the folder of a run: {str(path)!r} {problem}")
            if not (folder / MARKER).is_file():
                raise InputError(
                    f"`path` must be the folder of a run: {str(path)!r} holds no {MARKER}"
                )
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"cannot read {str(path)!r}: {error}") from error
        read_run_info(folder / MARKER)
        return cls(folder)

    @property
    def folder(self) -> Path:
        """The folder's absolute path."""
        return self._folder

    @property
    def info(self) -> RunInfo:
        """What ``run.json`` says now."""
        return read_run_info(self._folder / MARKER)

    def path(self, name: str) -> Path:
        """Where a file or folder of this run lies, or shall lie.

        A name that does not exist yet is noted as this run's own, so that ``overwrite`` may
        remove it later, and the folders above it are made; where the run folder cannot be
        written, only the path is returned.

        Args:
            name: relative, with ``/`` between folders, such as ``"students/gkd.safetensors"``.

        Raises:
            InputError: empty, absolute, or leading out of the folder.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     run = RunFolder.create(folder, command="lgg demo", config={})
            ...     run.path("../elsewhere")
            Traceback (most recent call last):
            ...
            torchlgg.core._errors.InputError: `name` must stay inside the run folder, got '../...'
        """
        parts = PurePosixPath(name).parts
        if not parts or parts[0] == "/" or ".." in parts or "\\" in name or "\0" in name:
            raise InputError(f"`name` must stay inside the run folder, got {name!r}")
        target = self._folder.joinpath(*parts)
        if not target.resolve().is_relative_to(self._folder.resolve()):
            raise InputError(
                f"`name` must stay inside the run folder, {name!r} is a link out of it"
            )
        if not target.exists() and os.access(self._folder, os.W_OK):
            self._note(parts[0])
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise cannot("make the folder", target.parent, error) from error
        return target

    def _note(self, entry: str) -> None:
        info = self.info
        if entry in OWN or entry in info.entries or (self._folder / entry).exists():
            return
        self._write_info(info.model_copy(update={"entries": (*info.entries, entry)}))

    def _write_info(self, info: RunInfo) -> None:
        write_text_atomically(self._folder / MARKER, _info_text(info))

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

    def write_json(self, name: str, value: Any) -> Path:
        """Write one JSON file, whole or not at all.

        Args:
            name: as for :meth:`path`, ending in ``.json``.
            value: JSON values, tuples, paths, records and dataclasses.

        Returns:
            Where it is.

        Raises:
            InputError: a name that is the folder's own or not ``.json``, or a value JSON cannot
                hold.
        """
        if not name.endswith(".json") or PurePosixPath(name).parts == (MARKER,):
            raise InputError(f"`name` must end in '.json' and not be {MARKER!r}, got {name!r}")
        text = json_text(json_value(value, name=PurePosixPath(name).stem))
        path = self.path(name)
        write_text_atomically(path, text)
        return path

    def finish(self, status: Ending) -> None:
        """Say in ``run.json`` how the run ended, and when.

        Args:
            status: ``"finished"``, ``"failed"`` or ``"interrupted"``.

        Raises:
            InputError: another status, or the file cannot be written.
        """
        check_ending(status)
        self._write_info(self.info.model_copy(update={"status": status, "ended": now()}))

    def resume(self, *, changes: Sequence[str] = ()) -> None:
        """Say in ``run.json`` that the run goes on, and remove what a kill left half written.

        Args:
            changes: what is not as it was when the run began, in words.

        Raises:
            InputError: the file cannot be written.
        """
        remove_entries(
            self._folder, [name for name in os.listdir(self._folder) if is_partial(name)]
        )
        info = self.info
        resumed = (*info.resumed, Resumption(at=now(), changes=tuple(changes)))
        self._write_info(
            info.model_copy(update={"status": "running", "ended": None, "resumed": resumed})
        )

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from going on with this run, for the time of a ``with`` block.

        Raises:
            InputError: another process does already.
        """
        return locked(self._folder)


def _claim(folder: Path, *, overwrite: bool) -> tuple[list[str], list[Path]]:
    """Make the folder if it is free: what is to be replaced in it, and what was made."""
    try:
        return entries_to_replace(folder, overwrite=overwrite), make_folder(folder)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise cannot("make the folder", folder, error) from error


def _info_text(info: RunInfo) -> str:
    return json_text(info.model_dump(mode="json"))
