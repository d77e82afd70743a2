"""What every loss is asked over several processes, the same in each of them and in the test."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn

from tests.contract.cases import CASES, Call, Case, describe, exported_losses
from tests.contract.cases import N as EXAMPLES

INPUTS = 6  # features of an example before the model

# rows of each rank: nearly even, one example on a rank, none on a rank
SPLITS = {2: ((4, 3), (6, 1), (0, 7)), 3: ((3, 2, 2), (1, 5, 1), (4, 0, 3))}


@dataclasses.dataclass(frozen=True)
class Job:
    """One loss with one setting on a batch that is split in one way."""

    name: str
    setting: int
    variant: str
    counts: tuple[int, ...]
    precision: str  # "float64", "float32" or "autocast": float32 under bfloat16

    @property
    def case(self) -> Case:
        return CASES[self.name]

    @property
    def options(self) -> dict[str, Any]:
        return settings_of(self.case)[self.setting]

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64 if self.precision == "float64" else torch.float32

    def __str__(self) -> str:
        split = "+".join(map(str, self.counts))
        return f"{self.name}-{describe(self.options)}-{self.variant}-{split}-{self.precision}"


def settings_of(case: Case) -> list[dict[str, Any]]:
    """Every branch that a compiler must get through, and a few more."""
    found: list[dict[str, Any]] = []
    for setting in (*case.compile_settings, *case.settings[:3]):
        if setting.get("spec") is None or setting["spec"].weights != "binary":
            found += [] if setting in found else [setting]
    return found


def jobs(world: int) -> list[Job]:
    """Everything that is asked of ``world`` ranks; a new loss joins by being exported."""
    found = []
    for name in exported_losses():
        case = CASES[name]
        even, *uneven = SPLITS[world]
        first, last = case.variants()[0], case.variants()[-1]
        for setting in range(len(settings_of(case))):
            found.append(Job(name, setting, last, uneven[0], "float64"))
        for counts in SPLITS[world]:
            found.append(Job(name, 0, first, counts, "float64"))
        for precision, counts in itertools.product(("float32", "autocast"), (even, uneven[1])):
            found.append(Job(name, 0, first, counts, precision))
    return list(dict.fromkeys(found))


class Taps(nn.Module):
    """One linear map for each tap of a student."""

    def __init__(self, shapes: list[tuple[int, ...]], dtype: torch.dtype) -> None:
        super().__init__()
        self.shapes = shapes
        self.maps = nn.ModuleList(
            nn.Linear(INPUTS, math.prod(shape), dtype=dtype) for shape in shapes
        )
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in self.parameters():
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(noise)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [
            tap(x).reshape(len(x), *shape)
            for tap, shape in zip(self.maps, self.shapes, strict=True)
        ]


def model_and_call(job: Job) -> tuple[Taps, Call]:
    """The model, and a call on the whole batch whose first argument is what the model is given."""
    call = job.case.call(job.options, job.variant, dtype=job.dtype)
    shapes = [tuple(tap.shape[1:]) for tap in job.case.inputs_with_gradient(call)]
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(EXAMPLES, INPUTS, generator=generator, dtype=torch.float64).to(job.dtype)
    return Taps(shapes, job.dtype), Call((x, *call.args[1:]), call.options)


def value_of(job: Job, model: nn.Module, call: Call, function: Any, **group: Any) -> Tensor:
    """The loss of what the model makes of its input."""
    x, *others = call.args
    autocast = job.precision == "autocast"
    with torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext():
        taps = model(x)
        student = taps if job.case.kind == "layers" else taps[0]
        return function(student, *others, **call.options, **group)


def value_and_gradient(
    job: Job, model: nn.Module, call: Call, function: Any, **group: Any
) -> tuple[Tensor, list[Tensor]]:
    """The loss, and the gradient of the model's parameters."""
    value = value_of(job, model, call, function, **group)
    value.backward()
    return value.detach(), [parameter.grad for parameter in model.parameters()]
