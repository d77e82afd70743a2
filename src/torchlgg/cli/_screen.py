"""What a person at a terminal sees while a verb runs; plain lines where there is no terminal."""

from __future__ import annotations

import contextlib
import errno
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from torchlgg.cli._stop import OutOfTime, Stopped
from torchlgg.core import InputError
from torchlgg.records import Ending, RunFolder
from torchlgg.training import DivergedError, EpochReport

console = Console(highlight=False, soft_wrap=True)


def command_line() -> str:
    """The command as the user could repeat it."""
    return shlex.join(["lgg", *sys.argv[1:]])


def check_out(out: Path, *, overwrite: bool, reads: Iterable[str | Path | None]) -> None:
    """Refuse a folder that cannot be taken, or that holds what the command is about to read.

    Args:
        out: the folder of the run to come.
        overwrite: whether an earlier run there may be replaced.
        reads: the files and folders that the command reads; names that are no path count for
            nothing.
    """
    RunFolder.check(out, overwrite=overwrite)
    for source in reads:
        if source is not None and Path(source).resolve().is_relative_to(out.resolve()):
            raise InputError(
                f"`--out` {str(out)!r} would be replaced, and with it {str(source)!r}, which this "
                "command reads; choose another folder"
            )


@contextlib.contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal, told (done, total); gone when the block ends."""
    with _progress() as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def training_bar(
    epochs: int, *, finished: int = 0
) -> Iterator[tuple[Callable[[int, int], None], Callable[[str], None]]]:
    """A bar over the steps of all epochs, so many of them finished, and a way to print above it."""
    with _progress() as progress:
        task = progress.add_task(f"epoch {finished + 1}", total=None)

        def on_step(done: int, total: int) -> None:
            nonlocal finished
            progress.update(
                task,
                completed=finished * total + done,
                total=epochs * total,
                description=f"epoch {finished + 1}",
            )
            finished += done == total

        yield on_step, progress.console.print


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def epoch_line(report: EpochReport, epochs: int) -> str:
    """An epoch in one line."""
    terms = "  ".join(f"{name} {value:.4g}" for name, value in report.terms.items())
    error = ""
    if report.validation_error is not None:
        error = f"  validation error {100 * report.validation_error:.2f} %"
    skipped = f"  {report.skipped_steps} steps left out" if report.skipped_steps else ""
    width = len(str(epochs))
    return (
        f"epoch {report.epoch:{width}}/{epochs}  {terms}{error}{skipped}  "
        f"{report.seconds:.1f} s  {report.images_per_second:.0f} images/s"
    )


@contextlib.contextmanager
def recorded(run: RunFolder, *, resume: str | None = None) -> Iterator[None]:
    """Say in the run's record how the block ended, and on the screen how to go on.

    Args:
        run: where the record is.
        resume: the command that goes on with the run; ``None`` where none can.
    """
    go_on = f"go on with `{resume}`"
    try:
        yield
    except KeyboardInterrupt as stop:
        _finish(run, "interrupted")
        sentence = f"interrupted; what was done is in {run.folder}"
        typer.echo(f"lgg: {sentence}; {go_on}" if resume else f"lgg: {sentence}", err=True)
        sys.exit(stop.exit_code if isinstance(stop, Stopped) else 130)
    except OutOfTime as spent:
        run.finish("interrupted")
        console.print(f"{spent}; what was done is in {run.folder}; {go_on}")
        return
    except DivergedError as error:
        _finish(run, "failed")
        raise InputError(
            f"{error}; the last good epoch is kept in {run.folder}, whose settings are fixed: "
            "start a new run"
        ) from error
    except (InputError, OSError) as error:
        _finish(run, "failed")
        if isinstance(error, OSError):
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            error = InputError(f"cannot write what is printed: {error.strerror}; free some space")
        raise InputError(f"{error}; then {go_on}" if resume else str(error)) from error
    except BaseException:
        _finish(run, "failed")
        raise
    run.finish("finished")


def _finish(run: RunFolder, status: Ending) -> None:
    """Say how the run ended, unless just that is what failed: a full disk."""
    with contextlib.suppress(InputError):
        run.finish(status)
