"""What a person sees of a queue: a line a running job; plain lines where there is no terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from torchlgg.cli._queue_job import Job, Outcome


class QueueScreen:
    """Lines of a queue.

    Args:
        console: where they go.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[Path, TaskID] = {}
        self._sizes: dict[Path, int] = {}
        self._tenths: dict[Path, int] = {}

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the running jobs during the block."""
        with self._progress:
            yield

    def say(self, text: str) -> None:
        """Print a line, above the running jobs."""
        self._progress.console.print(text, markup=False)

    def began(self, job: Job, *, resumed: bool) -> None:
        """A process has been started."""
        self._tasks[job.folder] = self._progress.add_task(job.name, total=job.epochs, text="")
        self.say(f"{job.name}: {'goes on' if resumed else 'started'}; its output is {job.log}")

    def ended(self, outcome: Outcome) -> None:
        """A job is settled."""
        job = outcome.job
        if job.folder in self._tasks:
            self._progress.remove_task(self._tasks.pop(job.folder))
        words = {"kept": "finished before, kept", "busy": "left alone", "waiting": "not started"}
        text = f"{job.name}: {words.get(outcome.status, outcome.status)}"
        place = epoch_text(job)
        if place and outcome.status in ("finished", "kept", "interrupted"):
            text += f", {place}"
        self.say(f"{text}: {outcome.reason}" if outcome.reason else text)

    def again(self, job: Job, reason: str) -> None:
        """A job's process was killed and will be resumed."""
        self._progress.remove_task(self._tasks.pop(job.folder))
        self.say(f"{job.name}: {reason}")

    def look(self, jobs: Iterable[Job]) -> None:
        """Show how far the running jobs are."""
        for job in jobs:
            try:
                size = (job.folder / "metrics.jsonl").stat().st_size
            except OSError:
                continue
            if size == self._sizes.get(job.folder):
                continue
            self._sizes[job.folder] = size
            epoch, text = job.last_epoch().get("epoch", 0), epoch_text(job)
            self._progress.update(self._tasks[job.folder], completed=epoch, text=text)
            tenth = epoch * 10 // job.epochs if job.epochs else epoch
            if not self._console.is_terminal and tenth != self._tenths.get(job.folder, 0):
                self.say(f"{job.name}: {text}")
            self._tenths[job.folder] = tenth


def epoch_text(job: Job) -> str:
    """How far a job is, such as ``"epoch 3/30, validation error 5.20 %"``."""
    row = job.last_epoch()
    if not isinstance(row.get("epoch"), int):
        return ""
    text = f"epoch {row['epoch']}" + (f"/{job.epochs}" if job.epochs else "")
    error = row.get("validation_error")
    return text if error is None else f"{text}, validation error {100 * error:.2f} %"
