"""The base of every typed record: frozen, strict about its fields, wrong input in one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from torchlgg.core import InputError, did_you_mean


class Record(BaseModel):
    """A frozen record that refuses unknown fields and raises :class:`InputError` alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    if not TYPE_CHECKING:  # the type checker keeps the constructor with its fields

        def __init__(self, **fields):
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise InputError(_sentence(type(self), error)) from None

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The record that :meth:`to_json` wrote.

        Args:
            text: a JSON object.

        Raises:
            InputError: not JSON, an unknown field (the nearest is named), a missing or a wrong one.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise InputError(_sentence(cls, error)) from None

    def to_json(self) -> str:
        """The record as one line of JSON; every float is read back to the same bits."""
        return self.model_dump_json()


def _sentence(model: type[Record], error: ValidationError) -> str:
    """One sentence for the error a reader can do most about: a misspelt field comes first."""
    errors = error.errors(include_url=False)
    first = min(errors, key=lambda found: found["type"] != "extra_forbidden")
    inner: Mapping[str, Any] = first.get("ctx", {})
    if isinstance(inner.get("error"), InputError):  # a record inside this one has said it
        return str(inner["error"])
    field = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"{model.__name__} has no field {field!r}{did_you_mean(field, model.model_fields)}"
    if first["type"] == "missing":
        return f"{model.__name__}: `{field}` is missing"
    if first["type"] == "json_invalid":
        return f"{model.__name__}: not valid JSON ({inner['error']}); was the file cut off?"
    if not field:
        return f"{model.__name__}: {message}"
    expected = re.sub(r"^\w+ should", "must", message)  # "Input should be", "Tuple should have"
    return f"{model.__name__}: `{field}` {expected}, got {_short(first['input'])}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
