"""Values as JSON holds them: what goes in is what comes out, or one sentence says why not."""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal

from pydantic import BaseModel

from torchlgg.core import InputError


def json_value(value: Any, *, name: str, non_finite: Literal["refuse", "null"] = "refuse") -> Any:
    """``value`` made of dicts with string keys, lists, strings, numbers, booleans and ``None``.

    Tuples become lists, paths strings, records and frozen dataclasses dicts, numbers of numpy
    Python's.

    Args:
        value: anything made of those.
        name: the argument, for the error; the place inside it is added.
        non_finite: JSON has no NaN and no infinity: raise, or write ``None``.

    Raises:
        InputError: anything else; the place and the type are named.

    Example:
        >>> json_value({"taps": ("layer1", "layer2"), "lr": 0.1}, name="config")
        {'taps': ['layer1', 'layer2'], 'lr': 0.1}
    """
    if isinstance(value, str):
        if not value.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InputError(
                f"`{name}` must be text that can be written as UTF-8, got {value!r}; "
                "rename the file"
            )
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        if math.isfinite(number):
            return number
        if non_finite == "null":
            return None
        raise InputError(f"`{name}` must be a finite number to be written as JSON, got {number}")
    if isinstance(value, PurePath):
        return json_value(str(value), name=name)
    if isinstance(value, BaseModel):
        value = value.model_dump()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        wrong = [key for key in value if not isinstance(key, str)]
        if wrong:
            raise InputError(
                f"`{name}` must have names as keys to be written as JSON, got the key {wrong[0]!r}"
            )
        return {
            key: json_value(inner, name=f"{name}.{key}", non_finite=non_finite)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            json_value(inner, name=f"{name}.{place}", non_finite=non_finite)
            for place, inner in enumerate(value)
        ]
    raise InputError(
        f"`{name}` must be made of numbers, strings, lists and dicts to be written as JSON, "
        f"got {type(value).__name__}"
    )


def json_line(value: Any) -> str:
    """A :func:`json_value` as one line, with its line end."""
    return json.dumps(value, allow_nan=False) + "\n"


def json_text(value: Any) -> str:
    """A :func:`json_value` as indented text for readers."""
    return json.dumps(value, allow_nan=False, indent=2) + "\n"
