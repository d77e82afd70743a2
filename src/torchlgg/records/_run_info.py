"""The file that makes a folder a run folder: what was asked, where, with which software."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from torchlgg.core import InputError, did_you_mean
from torchlgg.records._environment import Environment
from torchlgg.records._json import json_text, json_value
from torchlgg.records._record import Record

FORMAT: Literal["torchlgg run"] = "torchlgg run"
VERSION: Literal[1] = 1

Ending = Literal["finished", "failed", "interrupted"]
"""How a run can end, in ``run.json``."""


def _entry(name: str) -> str:
    if name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise ValueError("must be the name of one file or folder")
    return name


Entry = Annotated[str, AfterValidator(_entry)]


class Resumption(Record):
    """One time that a run went on after a stop.

    Args:
        at: UTC, ISO 8601.
        changes: what is not as it was when the run began, in words.

    Example:
        >>> Resumption(at="2026-01-01T00:00:00+00:00", changes=("torch 2.14 is now 2.15",)).changes
        ('torch 2.14 is now 2.15',)
    """

    at: str
    changes: tuple[str, ...] = ()


class RunInfo(Record):
    """What ``run.json`` says of a run.

    Args:
        format: ``"torchlgg run"``, the mark of the file.
        version: of the format.
        command: the command line.
        status: ``"running"`` until the run says how it ended.
        created: UTC, ISO 8601.
        ended: UTC, ISO 8601; ``None`` while it runs.
        seeds: every seed the run draws from.
        config: the full configuration.
        commit: of torchlgg's source (see :func:`source_commit`).
        environment: versions and hardware.
        entries: the files and folders that the run has put beside ``run.json``; ``overwrite``
            removes these and nothing else.
        resumed: each time the run went on after a stop.

    Example:
        >>> RunInfo.from_json('{"format": "torchlgg run", "version": 1, "statsu": "running"}')
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: RunInfo has no field 'statsu'; did you mean 'status'?
    """

    format: Literal["torchlgg run"] = FORMAT
    version: Literal[1] = VERSION
    command: str
    status: Literal["running"] | Ending = "running"
    created: str
    ended: str | None = None
    seeds: tuple[int, ...] = ()
    config: dict[str, Any] = Field(default_factory=dict)
    commit: str | None = None
    environment: Environment
    entries: tuple[Entry, ...] = ()
    resumed: tuple[Resumption, ...] = ()

    def differences_from(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Where another configuration is not the one of this run, in words.

        Args:
            config: as it was, or would be, given to ``RunFolder.create``.

        Returns:
            Such as ``"training.epochs is 30 in the run and 60 now"``; empty if there is none.

        Raises:
            InputError: a value JSON cannot hold.

        Example:
            >>> from torchlgg.records import environment
            >>> info = RunInfo(command="lgg train", created="2026-01-01T00:00:00+00:00",
            ...                environment=environment(), config={"training": {"epochs": 30}})
            >>> info.differences_from({"training": {"epochs": 60}})
            ('training.epochs is 30 in the run and 60 now',)
        """
        then, now = _leaves(self.config), _leaves(json_value(dict(config), name="config"))
        return tuple(
            f"{name} is {then.get(name, 'absent')} in the run and {now.get(name, 'absent')} now"
            for name in dict.fromkeys([*then, *now])
            if then.get(name) != now.get(name)
        )


def _leaves(value: Any, name: str = "") -> dict[str, str]:
    """The values by their dotted names, as JSON."""
    if not isinstance(value, Mapping) or (name and not value):
        return {name: json.dumps(value)}
    return {
        leaf: found
        for key, inner in value.items()
        for leaf, found in _leaves(inner, f"{name}.{key}" if name else key).items()
    }


def now() -> str:
    """This moment in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def info_text(info: RunInfo) -> str:
    """The content of ``run.json``."""
    return json_text(info.model_dump(mode="json"))


def read_run_info(path: Path) -> RunInfo:
    """Read ``run.json``.

    Raises:
        InputError: it cannot be read, is not a run's, is damaged, or of a newer torchlgg.
    """
    try:
        text = path.read_bytes()
        found = json.loads(text)
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{str(path)!r} is damaged, it is not valid JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{str(path)!r} was not written by torchlgg: its format is not {FORMAT!r}")
    version = found.get("version")
    if isinstance(version, int) and version > VERSION:
        raise InputError(
            f"{str(path)!r} was written by a newer torchlgg: it has version {version} of the "
            f"format, this one reads up to {VERSION}; update torchlgg"
        )
    try:
        return RunInfo.from_json(text)
    except InputError as error:
        raise InputError(f"{str(path)!r} is damaged: {error}") from error


def check_ending(status: str) -> None:
    """Raise :class:`InputError` unless ``status`` is a way for a run to end."""
    endings = get_args(Ending)
    if status not in endings:
        listed = ", ".join(map(repr, endings))
        hint = did_you_mean(status, endings) if isinstance(status, str) else ""
        hint = hint if "did you mean" in hint else ""
        raise InputError(f"`status` must be one of {listed}; got {status!r}{hint}")
