"""Configurations as plain values and back: for records, YAML files and the command line.

A dataclass is a mapping of its fields. Two kinds of value say which class they are of: a task by
its ``kind``, and the losses of a distillation, which are a mapping from short name to settings.
"""

from __future__ import annotations

import os
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from torchlgg.core import InputError, did_you_mean
from torchlgg.recipes._run_config import RunConfig
from torchlgg.training import Classify, Distill, Embed, Robustify, Task, Term, term_kinds

_TASKS: dict[str, type[Task]] = {task.kind: task for task in (Classify, Distill, Embed, Robustify)}


def to_plain(value: Any) -> Any:
    """A configuration as JSON values, every default written out.

    Args:
        value: a :class:`RunConfig`, or a part of one.

    Returns:
        Mappings, lists, strings, numbers, booleans and ``None``.

    Example:
        >>> from torchlgg.recipes import to_plain
        >>> from torchlgg.training import Distill
        >>> list(to_plain(Distill(losses=("hkd", "gkd")))["losses"])
        ['hkd', 'gkd']
    """
    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
        if isinstance(value, Term):
            del plain["name"]
        if isinstance(value, Task):
            plain = {"kind": value.kind, **plain}
        if isinstance(value, Distill):
            plain["losses"] = {term.name: to_plain(term) for term in value.terms[1:]}
        return plain
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def from_plain(plain: Mapping[str, Any]) -> RunConfig:
    """The configuration that :func:`to_plain` wrote; what is left out has its default.

    Args:
        plain: mappings, lists and scalars, as YAML and JSON give them.

    Raises:
        InputError: an unknown key, with the nearest known ones; a value of another type or out of
            its range, by its dotted name.

    Example:
        >>> from torchlgg.recipes import from_plain
        >>> plain = {"data": {"source": "digits"}, "net": {"name": "small_cnn"},
        ...          "training": {"epoch": 3}}
        >>> from_plain(plain)
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: `training.epoch` is no setting; did you mean 'epochs'?
    """
    config: RunConfig = _dataclass(RunConfig, plain, "")
    return config


def _value(kind: Any, plain: Any, place: str) -> Any:
    """A value of a type, from plain ones."""
    if kind is Task:
        return _task(plain, place)
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if plain is None and type(None) in options:
        return None
    for option in options:
        if isinstance(option, type) and is_dataclass(option) and isinstance(plain, Mapping):
            return _dataclass(option, plain, place)
    if any(is_dataclass(option) for option in options):
        raise InputError(f"`{place}` must be a mapping of settings, got {plain!r}")
    if isinstance(plain, bool) and bool not in options:  # which pydantic takes for 0 and 1
        raise InputError(f"`{place}` is no yes or no; got {str(plain).lower()}")
    try:
        return TypeAdapter(kind).validate_python(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"`{place}`: {_lowered(first['msg'])}; got {plain!r}") from error


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _dataclass(kind: type[Any], plain: Any, place: str, **known: Any) -> Any:
    if not isinstance(plain, Mapping):
        raise InputError(f"`{place or 'the configuration'}` must be a mapping, got {plain!r}")
    settings = {field.name: field for field in fields(kind) if field.init}
    hints = get_type_hints(kind)
    values = dict(known)
    for name, inner in plain.items():
        inner_place = f"{place}.{name}".lstrip(".")
        if name not in settings:
            raise InputError(f"`{inner_place}` is no setting{did_you_mean(str(name), settings)}")
        if name not in known:
            values[name] = _value(hints[name], inner, inner_place)
    for name, field in settings.items():
        required = field.default is MISSING and field.default_factory is MISSING
        if required and name not in values:
            raise InputError(f"`{f'{place}.{name}'.lstrip('.')}` is not set, and has no default")
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"`{place}`: {error}" if place else str(error)) from error


def _task(plain: Any, place: str) -> Task:
    if not isinstance(plain, Mapping) or "kind" not in plain:
        raise InputError(
            f"`{place}` must be a mapping with a `kind`, one of {', '.join(_TASKS)}; got {plain!r}"
        )
    kind = plain["kind"]
    if kind not in _TASKS:
        raise InputError(f"`{place}.kind` is {kind!r}{did_you_mean(str(kind), _TASKS)}")
    settings = {name: inner for name, inner in plain.items() if name != "kind"}
    if kind == "distill" and "losses" in settings:
        losses = _losses(settings["losses"], f"{place}.losses")
        task: Task = _dataclass(Distill, settings, place, losses=losses)
    else:
        task = _dataclass(_TASKS[kind], settings, place)
    return task


def _losses(plain: Any, place: str) -> tuple[Term, ...]:
    """Losses as a mapping from name to settings, or as a list of names."""
    kinds = term_kinds()
    if isinstance(plain, Sequence) and not isinstance(plain, str):
        plain = dict.fromkeys(plain)
    if not isinstance(plain, Mapping):
        raise InputError(
            f"`{place}` must be a list of names, or a mapping from name to settings; got {plain!r}"
        )
    for name in plain:
        if name not in kinds:
            raise InputError(f"`{place}` names the loss {name!r}{did_you_mean(str(name), kinds)}")
    return tuple(
        _dataclass(kinds[name], settings or {}, f"{place}.{name}")
        for name, settings in plain.items()
    )
