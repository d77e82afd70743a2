"""``lgg runs``: what is there, how it compares, and what may go."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from torchlgg.cli._queue_job import is_queued
from torchlgg.core import InputError
from torchlgg.records import Result, RunFolder, RunInfo, find_runs
from torchlgg.reports import Column, Table, render_markdown, render_rich

_ABSENT = "–"
_STATE = "state.pt"
_BEST = ", best on validation"  # the end of a result's task
_WIDE = 160  # columns where there is no terminal: a folder's name is not broken

runs_app = typer.Typer(
    help="List, compare and clean runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@runs_app.command("list")
def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where to look, at every depth.")] = Path("runs"),
) -> None:
    """Show every run: what it trains, how it stands, and its error."""
    rows = []
    for place in find_runs(folder):
        try:
            run = RunFolder.open(place)
        except InputError as error:
            if "was not written by torchlgg" not in str(error):
                rows.append((_relative(place, folder), *["?"] * 3, "damaged", *["?"] * 3))
            continue
        rows.append((_relative(place, folder), *_row(run)))
    if not rows:
        typer.echo(f"there are no runs in {folder}")
        return
    titles = ("folder", "recipe", "network", "seed", "status", "epochs", "error (%)", "begun (UTC)")
    columns = tuple(
        Column(title=title, align="right" if title in ("epochs", "error (%)") else "left")
        for title in titles
    )
    show_tables([Table(title=f"Runs in {folder}", columns=columns, rows=tuple(rows))])


@runs_app.command("compare")
def compare_runs(
    folders: Annotated[list[Path], typer.Argument(help="Runs, or folders with runs.")],
    by: Annotated[str, typer.Option(help="The tag whose values are compared.")] = "recipe",
    measurement: Annotated[str, typer.Option(help="What the tests are about.")] = "error",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Means over seeds with their intervals, and paired tests between recipes."""
    tables, left_out = compared(folders, by=by, measurement=measurement)
    if left_out:
        typer.echo(f"left out, as they are not finished: {left_out}", err=True)
    show_tables(tables, markdown=markdown)


@runs_app.command("clean")
def clean_runs(
    folder: Annotated[Path, typer.Argument(help="Where to look, at every depth.")],
    state: Annotated[
        bool,
        typer.Option("--state", help=f"Only remove {_STATE} of the runs that are finished."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove runs that did not finish; never one at work, never what is no run."""
    chosen = _states(folder) if state else _unfinished(folder)
    if not chosen:
        typer.echo(f"there is nothing to remove in {folder}")
        return
    for place, why in chosen.items():
        typer.echo(f"{place}  ({why}, {_size(place)})")
    what = _STATE if state else "run"
    if not yes and not typer.confirm(f"remove {len(chosen)} x {what}?"):
        typer.echo("nothing was removed")
        return
    refused: list[InputError] = []
    for place in reversed(chosen):  # the runs inside of a run before it
        try:
            if state:
                with RunFolder.open(place.parent).locked():
                    place.unlink(missing_ok=True)
            else:
                RunFolder.open(place).remove()
        except InputError as error:
            refused.append(error)
    typer.echo(f"{len(chosen) - len(refused)} x {what} removed")
    if refused:
        raise refused[0]


def compared(
    folders: Sequence[Path], *, by: str = "recipe", measurement: str = "error"
) -> tuple[tuple[Table, ...], int]:
    """The tables of all finished runs at or below the folders, and how many runs are not.

    The means and the tests are of the last epochs; the means of the networks that were best on
    the validation images stand in a table of their own.

    Args:
        folders: runs, or folders with runs.
        by: the tag that names the rows.
        measurement: what the tests are about.

    Raises:
        InputError: no finished run with results that say ``by`` and their seed.
    """
    from torchlgg.evaluation import compare, summarize
    from torchlgg.reports import comparison_table, paired_report

    places = {place.resolve(): place for folder in folders for place in find_runs(folder)}
    results: list[Result] = []
    left_out = 0
    for place in places.values():
        try:
            run = RunFolder.open(place)
        except InputError:
            left_out += 1
            continue
        if run.info.status == "finished":
            results += [result for result in run.results() if {by, "seed"} <= set(result.tags)]
        else:
            left_out += 1
    best = [result for result in results if result.task.endswith(_BEST)]
    last = [result for result in results if not result.task.endswith(_BEST)]
    if not last:
        raise InputError(
            f"no finished run in {', '.join(map(repr, map(str, folders)))} has a result with the "
            f"tags {by!r} and 'seed'; `lgg runs list` shows what is there"
        )
    tables = paired_report(
        summarize(last, by=(by,)),
        compare(last, by=by, measurement=measurement),
        by=by,
    )
    if best:
        title = "Beside it: the networks that were best on the validation images"
        tables += (comparison_table(summarize(best, by=(by,)), title=title, group_by=by),)
    return tables, left_out


def _row(run: RunFolder) -> tuple[str, ...]:
    info, status = run.info, run.status
    try:
        results = [result for result in run.results() if "seed" in result.tags]
        rows = run.metrics()
    except InputError:
        results, rows, status_text = [], [], f"{status}, damaged"
    else:
        status_text = status
    tags = results[-1].tags if results else {}
    return (
        tags.get("recipe") or tags.get("method") or _setting(info, "recipe"),
        tags.get("network") or _setting(info, "net", "name"),
        ", ".join(map(str, info.seeds)) or _ABSENT,
        status_text,
        _epochs(rows, _setting(info, "training", "epochs")),
        _error(results, rows),
        info.created[:16].replace("T", " "),
    )


def _setting(info: RunInfo, *names: str) -> str:
    value: Any = info.config
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return _ABSENT if value is None or isinstance(value, Mapping | list) else str(value)


def _epochs(rows: Sequence[Mapping[str, Any]], of: str) -> str:
    done = rows[-1].get("epoch", 0) if rows else 0
    return str(done) if of == _ABSENT else f"{done}/{of}"


def _error(results: Iterable[Result], rows: Sequence[Mapping[str, Any]]) -> str:
    """On the test images, where there is a result; else on the validation images, so far."""
    for result in results:
        for measured in result.measurements:
            if measured.name == "error":
                return f"{measured.value:.2f}"
    found = rows[-1].get("validation_error") if rows else None
    return _ABSENT if found is None else f"{100 * found:.2f} (validation)"


def _unfinished(folder: Path) -> dict[Path, str]:
    """The runs to remove, with how they ended; those around others that stay are left."""
    stands: dict[Path, str | None] = {}
    for place in find_runs(folder):
        try:
            run = RunFolder.open(place)
            free = run.held is False and not is_queued(place)
            gone = run.status in ("interrupted", "failed", "dead")
            stands[place] = run.status if free and gone else None
        except InputError:
            stands[place] = None
    return {
        place: status
        for place, status in stands.items()
        if status is not None
        and all(stands[inner] is not None for inner in stands if place in inner.parents)
    }


def _states(folder: Path) -> dict[Path, str]:
    found = {}
    for place in find_runs(folder):
        try:
            run = RunFolder.open(place)
        except InputError:
            continue
        state = place / _STATE
        ours = _STATE in run.info.entries and state.is_file() and not state.is_symlink()
        if ours and run.info.status == "finished" and not run.held:
            found[state] = "of a finished run"
    return found


def _size(place: Path) -> str:
    inside = [place, *place.rglob("*")] if place.is_dir() else [place]
    size = float(sum(os.lstat(path).st_size for path in inside if not path.is_dir()))
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _relative(place: Path, folder: Path) -> str:
    return str(place.relative_to(folder)) if place != folder else str(place)


def show_tables(tables: Sequence[Table], *, markdown: bool = False) -> None:
    """Print tables, as wide as the terminal or wide enough."""
    if markdown:
        typer.echo("\n".join(render_markdown(table) for table in tables), nl=False)
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE)
    for table in tables:
        console.print(render_rich(table))
