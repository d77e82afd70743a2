"""One run, one folder: made whole, never mixed with another's, removed only if it is ours."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from torchlgg.core import InputError, cannot, is_partial, write_text_atomically
from torchlgg.records._environment import environment, source_commit
from torchlgg.records._folder import (
    MARKER,
    OWN,
    begin_folder,
    check_folder,
    check_is_run,
    entries_of_run,
    remove_entries,
    unmake,
)
from torchlgg.records._journal import Journal
from torchlgg.records._json import json_text, json_value
from torchlgg.records._lock import is_held, locked
from torchlgg.records._run_info import (
    Ending,
    Resumption,
    RunInfo,
    check_ending,
    info_text,
    now,
    read_run_info,
)


class RunFolder(Journal):
    """The folder in which a run leaves its configuration, metrics, results and files.

    ========================  ==================================================================
    ``run.json``              command, configuration, seeds, commit, versions, hardware, status
    ``metrics.jsonl``         one JSON object a line, written while the run goes on
    ``results.jsonl``         one :class:`Result` a line
    anything else             what the run itself asked a place for, by :meth:`path`
    ========================  ==================================================================

    Made by :meth:`create` or :meth:`open`, not from a bare ``folder``. One process writes to it
    at a time. Metrics and results are written and read as in any :class:`Journal`.

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
        info = RunInfo(
            command=command,
            created=now(),
            seeds=tuple(seeds),
            config=json_value(dict(config), name="config"),
            commit=source_commit(),
            environment=environment(gpus=gpus),
        )
        begin_folder(folder, info_text(info), overwrite=overwrite)
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
        check_folder(Path(path).absolute(), overwrite=overwrite)

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
        check_is_run(folder, named=str(path))
        read_run_info(folder / MARKER)
        return cls(folder)

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
        write_text_atomically(self._folder / MARKER, info_text(info))

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

    @property
    def held(self) -> bool | None:
        """Whether a process holds :meth:`locked`; ``None`` where the system cannot say."""
        return is_held(self._folder)

    @property
    def status(self) -> Literal["running", "dead"] | Ending:
        """How the run stands: as :attr:`info` says, or ``"dead"`` if its process was killed.

        Where the system has no locks, that cannot be seen, and it is ``"running"`` for ever.
        """
        status = self.info.status
        if status == "running" and self.held is False:
            status = self.info.status  # once more: it may have ended between the two looks
            return "dead" if status == "running" else status
        return status

    def remove(self) -> None:
        """Remove the run: every entry that it made, and its folder.

        Raises:
            InputError: a process is at work in it, or it holds something that the run did not
                make; nothing was changed. Or something cannot be removed.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     run = RunFolder.create(f"{folder}/run", command="lgg demo", config={})
            ...     run.remove()
            ...     os.listdir(folder)
            []
        """
        with self.locked():
            names, foreign = entries_of_run(self._folder, self.info)
            if foreign:
                raise InputError(
                    f"the run in {str(self._folder)!r} cannot be removed: {foreign[0]!r} is there "
                    "too, which it did not make; move that away first"
                )
            remove_entries(self._folder, [*names, MARKER])  # the mark goes last
        unmake([self._folder])
