"""What was measured, on what, how, and how sure: the typed result that tables and figures read."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from torchlgg.core import InputError, did_you_mean
from torchlgg.records._record import Record


def _line(text: str) -> str:
    if not text or text != text.strip() or len(text.splitlines()) > 1:
        raise ValueError("must be one line of text without spaces around it")
    return text


Line = Annotated[str, AfterValidator(_line)]
Count = Annotated[int, Field(ge=0)]


class Interval(Record):
    """A confidence interval in the unit of its measurement.

    Args:
        low: the lower end.
        high: the upper end, at least ``low``.
        confidence: strictly between 0 and 1, such as 0.95.
        method: how it was found, such as ``"Student t"`` or ``"Wilson"``.

    Raises:
        InputError: ends in the wrong order, not finite, or a confidence outside (0, 1).

    Example:
        >>> str(Interval(low=5.9, high=7.6, confidence=0.95, method="Wilson"))
        '[5.9, 7.6] (95 % Wilson)'
    """

    low: float
    high: float
    confidence: Annotated[float, Field(gt=0, lt=1)]
    method: Line

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(
                f"`low` must not be above `high`: low is {self.low:g}, high {self.high:g}"
            )
        return self

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}] ({self.description})"

    @property
    def description(self) -> str:
        """Confidence and method in words, such as ``"95 % Wilson"``."""
        return f"{100 * self.confidence:.6g} % {self.method}"


class Measurement(Record):
    """One number, with its unit, its interval, and the sentence that says how it was taken.

    Args:
        name: what was measured, such as ``"error"``; unique within a result.
        value: a finite number, in ``unit``: 6.73 with ``"%"`` is 6.73 %.
        unit: ``"%"``, ``"s"``, ...; empty for a plain number.
        count: how many examples or runs the value comes from, at least 1.
        interval: around ``value``, or ``None`` where none can be given (a single run).
        protocol: one sentence: on what, at which moment, chosen how.

    Raises:
        InputError: NaN or infinity, an unknown or missing field, no protocol.

    Example:
        >>> wilson = Interval(low=6.26, high=7.24, confidence=0.95, method="Wilson")
        >>> print(
        ...     Measurement(
        ...         name="error",
        ...         value=6.73,
        ...         unit="%",
        ...         count=10000,
        ...         interval=wilson,
        ...         protocol="All test images, after the last epoch.",
        ...     )
        ... )
        error 6.73 % [6.26, 7.24] (95 % Wilson, n = 10000)
    """

    name: Line
    value: float
    unit: str = ""
    count: Annotated[int, Field(ge=1)]
    interval: Interval | None = None
    protocol: Line

    @property
    def decimals(self) -> int:
        """How many decimals are worth writing.

        Two significant digits of half the interval; where there is no interval or one without
        width, as many as a value of four significant digits needs.
        """
        half = 0.0 if self.interval is None else (self.interval.high - self.interval.low) / 2
        if half > 0:
            return max(0, 1 - math.floor(math.log10(half)))
        if self.value == 0:
            return 0
        digits = f"{self.value:.3e}".partition("e")  # mantissa with three decimals, e, exponent
        significant = len(digits[0].lstrip("-").replace(".", "").rstrip("0"))
        return max(0, significant - 1 - int(digits[2]))

    def written(self, decimals: int | None = None) -> str:
        """The value and its interval as text, without unit.

        Args:
            decimals: ``None`` is :attr:`decimals`; above 6, powers of ten are written.

        Example:
            >>> Measurement(name="x", value=0.51, count=3, protocol="Mean of runs.").written(3)
            '0.510'
        """
        places = self.decimals if decimals is None else decimals
        text = _written(self.value, places)
        if self.interval is not None:
            low, high = self.interval.low, self.interval.high
            text += f" [{_written(low, places)}, {_written(high, places)}]"
        return text

    def __str__(self) -> str:
        value, space, interval = self.written().partition(" ")
        unit = f" {self.unit}" if self.unit else ""
        method = f"{self.interval.description}, " if self.interval is not None else ""
        return f"{self.name} {value}{unit}{space}{interval} ({method}n = {self.count})"


def _written(value: float, decimals: int) -> str:
    if decimals > 6:
        return f"{value:.2e}"
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0 turns -0.0 into 0.0


class DataDescription(Record):
    """The data a result was measured on.

    Args:
        source: where they came from, as a reader would name it, such as ``"digits"``.
        sha256: 64 hexadecimal digits over the data themselves, or ``None`` where not taken.
        counts: examples in each part, such as ``{"train": 1437, "test": 360}``.

    Raises:
        InputError: an unknown, missing or wrong field.

    Example:
        >>> str(DataDescription(source="digits", counts={"train": 1437, "test": 360}))
        'digits (train 1437, test 360)'
    """

    source: Line
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    counts: dict[str, Count]

    def __str__(self) -> str:
        counts = ", ".join(f"{part} {count}" for part, count in self.counts.items())
        return f"{self.source} ({counts})" if counts else self.source


class Result(Record):
    """Everything measured of one subject in one go; the unit that reports are made of.

    Args:
        task: what was done, such as ``"evaluate"``.
        subject: what was measured, such as ``"student gkd seed 3"``.
        data: on what.
        measurements: at least one, with different names.
        tags: for grouping, such as ``{"method": "gkd", "seed": "3"}``.

    Raises:
        InputError: an unknown, missing or wrong field, or two measurements of one name.

    Example:
        >>> result = Result(
        ...     task="evaluate",
        ...     subject="student gkd seed 3",
        ...     data=DataDescription(source="digits", counts={"test": 360}),
        ...     measurements=[Measurement(name="error", value=2.5, unit="%", count=360,
        ...                               protocol="All test images.")],
        ...     tags={"method": "gkd"},
        ... )
        >>> print(result)
        evaluate: student gkd seed 3
          data: digits (test 360)
          error 2.5 % (n = 360)
          tags: method=gkd
        >>> Result.from_json(result.to_json()) == result
        True
    """

    task: Line
    subject: Line
    data: DataDescription
    measurements: Annotated[tuple[Measurement, ...], Field(min_length=1)]
    tags: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [measurement.name for measurement in self.measurements]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"`measurements` must have different names, {twice[0]!r} is there twice"
            )
        return self

    def measurement(self, name: str) -> Measurement:
        """The measurement of this ``name``.

        Raises:
            InputError: there is none; the nearest names are given.
        """
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        hint = did_you_mean(name, [measurement.name for measurement in self.measurements])
        raise InputError(f"the result of {self.subject!r} has no measurement {name!r}{hint}")

    def __str__(self) -> str:
        lines = [f"{self.task}: {self.subject}", f"data: {self.data}"]
        lines += map(str, self.measurements)
        if self.tags:
            lines.append("tags: " + ", ".join(f"{key}={tag}" for key, tag in self.tags.items()))
        return "\n  ".join(lines)
