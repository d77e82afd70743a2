"""What a queue of runs is made of: jobs, their processes, and how they came out."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from torchlgg.core import InputError, cannot
from torchlgg.records import Journal, RunFolder

Status = Literal["finished", "kept", "interrupted", "failed", "busy", "waiting"]
"""``kept``: finished before; ``busy``: another process is at it; ``waiting``: never started."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One run of a queue; equal to itself alone.

    Args:
        name: as it is shown, such as ``"gkd, seed 0"``.
        folder: of the run. Its log lies beside it, as ``FOLDER.log``.
        start: the words after ``lgg`` that begin it.
        resume: the words that go on with it.
        config: what a run in the folder must have as its configuration, to be kept or resumed;
            ``None``: anything.
        epochs: how many it has, where that is known.
    """

    name: str
    folder: Path
    start: tuple[str, ...]
    resume: tuple[str, ...]
    config: Mapping[str, Any] | None = None
    epochs: int | None = None

    @property
    def log(self) -> Path:
        """What its processes print."""
        return log_of(self.folder)

    @property
    def exists(self) -> bool:
        """Whether there is a run in the folder."""
        return (self.folder / "run.json").is_file()

    def check(self) -> None:
        """Raise :class:`InputError` if the folder is not free and not of this run."""
        if not self.exists:
            RunFolder.check(self.folder)
        elif self.config is not None:
            differences = RunFolder.open(self.folder).info.differences_from(self.config)
            if differences:
                raise InputError(
                    f"{str(self.folder)!r} holds another run than is asked for: {differences[0]}"
                    f"{f' (and {len(differences) - 1} more)' if differences[1:] else ''}; choose "
                    "another folder"
                )

    def settled(self) -> Outcome | None:
        """How it stands, if there is nothing to do; ``None`` if it is to be started or resumed."""
        if not self.exists:
            return None
        try:
            run = RunFolder.open(self.folder)
            if run.info.status == "finished":
                return Outcome(job=self, status="kept")
            return Outcome(job=self, status="busy", reason=_BUSY) if run.held else None
        except InputError as error:
            return Outcome(job=self, status="failed", reason=str(error))

    def last_epoch(self) -> Mapping[str, Any]:
        """The last row of its metrics; empty before the first."""
        with contextlib.suppress(InputError, IndexError):
            return Journal(self.folder).metrics()[-1]
        return {}


_BUSY = "another process is at work on it"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job came out.

    Args:
        job: which.
        status: see :data:`Status`.
        reason: in words; of a failed one with the last line of its log.
        exit_code: what the command should end with for its sake: 1 if it failed, 130 or 143 if
            a signal to the queue stopped it, else 0.
    """

    job: Job
    status: Status
    reason: str = ""
    exit_code: int = 0


class Child:
    """The process of a job; its log is locked for as long as it, or a process it made, lives.

    The lock is that of the open file which is the process's own output: it is there from the
    first moment, long before the run's folder is, and goes with the process, however that ends.

    Args:
        job: whose.
        command: the words, with the interpreter.
        environment: of the process.
        slot: its place among those that run at once.

    Raises:
        BlockingIOError: another process of this job lives.
        InputError: the process cannot be started, or its log not written.
    """

    def __init__(
        self, job: Job, command: Sequence[str], *, environment: Mapping[str, str], slot: int
    ) -> None:
        self.job = job
        self.slot = slot
        try:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            with open(job.log, "ab") as log:
                _lock(log)
                if not job.exists:
                    log.truncate(0)
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(environment),
                    # Ctrl-C comes to the queue alone, which passes it on; and what is left of a
                    # killed process can be found
                    start_new_session=True,
                )
        except BlockingIOError:
            raise
        except OSError as error:
            raise cannot("start a process that writes", job.log, error) from error

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it runs."""
        if not hasattr(os, "waitid"):
            return self._process.poll()
        # Looked at before it is reaped: until then nobody else can get its number, and the
        # processes that a killed one leaves behind (workers that read images) can be ended.
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        with contextlib.suppress(ChildProcessError):
            seen = os.waitid(os.P_PID, self._process.pid, options)
            if seen is not None and seen.si_code != os.CLD_EXITED:
                self.kill()
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to save its state and end."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all processes it made, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def last_line(self) -> str:
        """The last line of its log that says something."""
        with contextlib.suppress(OSError):
            lines = self.job.log.read_text(encoding="utf-8", errors="replace").splitlines()
            for line in reversed(lines):
                if line.strip():
                    return line.strip()
        return ""


def log_of(folder: Path) -> Path:
    """Where the processes of a queue print for the run in a folder: beside it."""
    return folder.with_name(f"{folder.name}.log")


def is_queued(folder: Path) -> bool:
    """Whether a process of a queue is at the run, even if it has not come to its folder yet."""
    try:
        with open(log_of(folder), "rb") as log:
            _lock(log)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no log, no queue
    return False


def _lock(file: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:  # a system without such locks
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # a disk without
