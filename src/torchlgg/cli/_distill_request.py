"""What ``lgg distill`` is asked for, and how that is read back from the record of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from torchlgg.core import InputError
from torchlgg.records import RunFolder
from torchlgg.training import DistillationConfig, Term, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class DistillRequest:
    """All that ``lgg distill`` was asked for; the configuration in the run's record."""

    data: str
    limit: int | None
    image_size: int | None
    validation: float
    teacher_net: str | None
    teacher_weights: Path | None
    student_net: str
    device: str
    training: TrainingConfig
    distillation: DistillationConfig


def recorded_request(run: RunFolder) -> DistillRequest:
    """What ``lgg distill`` was asked for in this run.

    Raises:
        InputError: it is no run of ``lgg distill``, or its record does not fit this version.
    """
    config = run.info.config
    if not {"training", "distillation", "student_net"} <= set(config):
        raise InputError(
            f"{str(run.folder)!r} is not a run of `lgg distill`, so it cannot be resumed"
        )
    place = f"the configuration in {str(run.path('run.json'))!r}"
    try:
        distillation = dict(config["distillation"])
        distillation["losses"] = tuple(map(_term, distillation["losses"]))
        request = TypeAdapter(DistillRequest).validate_python(
            config | {"distillation": distillation}
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise InputError(f"{place} does not fit this torchlgg: `{name}`: {first['msg']}") from error
    except (KeyError, TypeError) as error:
        raise InputError(f"{place} was written by another version of torchlgg") from error
    if unknown := _unknown(config, asdict(request)):
        raise InputError(f"{place} has `{unknown}`, which this torchlgg does not know; update it")
    return request


def _term(fields: Mapping[str, Any]) -> Term:
    """A term from its record: which class it is, its name says."""
    kinds = {vars(kind)["name"]: kind for kind in Term.__subclasses__()}
    rest = {key: value for key, value in fields.items() if key != "name"}
    term: Term = TypeAdapter(kinds[fields["name"]]).validate_python(rest)
    return term


def _unknown(recorded: Any, known: Any, place: str = "") -> str:
    """The first recorded setting that was not understood; empty if all were."""
    if isinstance(recorded, Mapping):
        for name, value in recorded.items():
            inner = f"{place}.{name}".lstrip(".")
            if name not in known:
                return inner
            if found := _unknown(value, known[name], inner):
                return found
    if isinstance(recorded, list) and recorded and isinstance(recorded[0], Mapping):
        for value, other in zip(recorded, known, strict=True):
            if found := _unknown(value, other, place):
                return found
    return ""
