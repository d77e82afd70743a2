"""The table of degenerate batches: what every loss and graph makes of them.

``table()`` computes it, ``test_degenerate.py`` asserts on it, and

    python -m tests.contract.degenerate

writes it to ``docs/degenerate.md``.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from tests.contract.cases import CASES, Case
from torchlgg.core import InputError
from torchlgg.graphs import GraphSpec, latent_geometry_graph
from torchlgg.signals import label_indicators, smoothness

PAGE = Path(__file__).resolve().parents[2] / "docs" / "degenerate.md"

EXAMPLES, CLASSES = 16, 4
LARGEST_RATIO = 1e3

# ------------------------------------------------------------------------------- the batches


@dataclasses.dataclass(frozen=True)
class Batch:
    """The features one side brings, and the labels of the examples."""

    x: Tensor
    labels: Tensor

    def changed(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return dataclasses.replace(self, x=change(self.x))


def normal(features: int, seed: int) -> Batch:
    """ReLU outputs of 16 examples in 4 classes, none of them dead."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(EXAMPLES, features, generator=generator).relu()
    return Batch(x, torch.arange(EXAMPLES) % CLASSES)


def rows_replaced(*pairs: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    def change(x: Tensor) -> Tensor:
        x = x.clone()
        for target, source in pairs:
            x[target] = x[source]
        return x

    return change


def almost_twice(x: Tensor) -> Tensor:
    """Row 1 is row 0 with the last bit of each entry changed."""
    x = x.clone()
    x[1] = torch.nextafter(x[0], 2 * x[0])
    return x


def almost_equal(x: Tensor) -> Tensor:
    """All rows are row 0, up to the last bit of some entries."""
    changed = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    row = x[:1].expand_as(x)
    return torch.where(changed, torch.nextafter(row, 2 * row), row)


def one_row_zero(x: Tensor) -> Tensor:
    x = x.clone()
    x[3] = 0
    return x


def signed(x: Tensor) -> Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(x.shape[1]))


@dataclasses.dataclass(frozen=True)
class Situation:
    """A batch that a training run can meet, made from a normal one."""

    title: str
    change: Callable[[Tensor], Tensor] = lambda x: x
    labels: Callable[[Tensor], Tensor] = lambda labels: labels
    examples: int = EXAMPLES
    dtype: torch.dtype = torch.float32
    autocast: torch.dtype | None = None

    def apply(self, batch: Batch) -> Batch:
        x = self.change(batch.x)[: self.examples].to(self.dtype)
        return Batch(x, self.labels(batch.labels)[: self.examples])


SITUATIONS = (
    Situation("a normal batch"),
    Situation("one example", examples=1),
    Situation("two examples", examples=2),
    Situation("duplicates", rows_replaced((1, 0), (2, 0), (9, 5))),
    Situation("duplicates but for rounding", almost_twice),
    Situation("one row all zero", one_row_zero),
    Situation("all rows zero", torch.zeros_like),
    Situation("all rows equal", lambda x: x[:1].expand_as(x).clone()),
    Situation("all rows equal but for rounding", almost_equal),
    Situation("one class only", labels=torch.zeros_like),
    Situation("signed features", signed),
    Situation("common offset of 1000", lambda x: x + 1e3),
    Situation("values of 300 in float16", lambda x: 300 * x, dtype=torch.float16),
    Situation("bfloat16 autocast", dtype=torch.bfloat16, autocast=torch.bfloat16),
    Situation("float16 autocast", dtype=torch.float16, autocast=torch.float16),
)

# ------------------------------------------------------------------------------ the functions


@dataclasses.dataclass(frozen=True)
class Subject:
    """One function with its settings: a column of the table."""

    column: str
    name: str  # the public function
    is_default: bool  # its default settings, or one of its variants
    kind: str
    k: int | None
    call: Callable[[Tensor, Tensor, Tensor], Tensor]  # own side, other side, labels
    dead_row_is_inert: bool

    @property
    def placements(self) -> tuple[str, ...]:
        """Which side of the function the situation befalls."""
        return ("own",) if self.kind in ("labelled", "graph") else ("own", "other", "both")


def of_loss(case: Case, title: str, options: dict[str, object], is_default: bool) -> Subject:
    def call(own: Tensor, other: Tensor, labels: Tensor) -> Tensor:
        given = dict(options)
        if case.needs_labels or given.get("edges", "all") != "all":
            given["labels"] = labels
        if case.kind == "maps":
            own, other = (x.unflatten(1, (-1, 2, 2)) for x in (own, other))
        if case.has_teacher:
            return case.function(own, other, **given)
        if case.kind == "labelled":
            return case.function(own, labels, **given)
        return case.function([own, other], labels, **given)

    spec = options.get("spec")
    k = spec.k if isinstance(spec, GraphSpec) else options.get("k")
    assert k is None or isinstance(k, int)
    return Subject(title, case.name, is_default, case.kind, k, call, case.dead_row_is_inert)


def of_graph(title: str, name: str, spec: GraphSpec, power: int | None = None) -> Subject:
    """The sum of the squared weights of a graph, or the variation of the labels on it."""

    def call(own: Tensor, other: Tensor, labels: Tensor) -> Tensor:
        graph = latent_geometry_graph(own, spec)
        if power is None:
            return graph.square().sum()
        return smoothness(graph, label_indicators(labels, CLASSES).to(graph.dtype), power)

    inert = spec.similarity in ("cosine", "shifted_cosine")
    return Subject(title, name, spec == GraphSpec(), "graph", spec.k, call, inert)


def subjects() -> list[Subject]:
    found = []
    for case in CASES.values():
        for index, (title, options) in enumerate(case.degenerate_settings.items()):
            found.append(of_loss(case, title, options, is_default=index == 0))
    graph = "latent_geometry_graph"
    found += [
        of_graph("graph", graph, GraphSpec()),
        of_graph("graph, k = 3", graph, GraphSpec(k=3)),
        of_graph("graph, centred", graph, GraphSpec(center=True)),
        of_graph("graph, exponential", graph, GraphSpec(similarity="exponential")),
        of_graph("smoothness", "smoothness", GraphSpec(), 1),
        of_graph("smoothness, k = 3, m = 2", "smoothness", GraphSpec(k=3), 2),
    ]
    return found


# ---------------------------------------------------------------------------------- the table


@dataclasses.dataclass(frozen=True)
class Cell:
    """What one function makes of one situation."""

    refused: str | None  # the sentence, where the situation is an error
    value: float  # of the function, where the situation befalls its own side
    norms: dict[str, float]  # |gradient| by side that the situation befalls
    ratio: float  # the largest of them, over that of a normal batch
    dead_row: float  # |gradient| of the row that is all zero, where there is one


def measure(subject: Subject, situation: Situation, placement: str) -> tuple[float, Tensor]:
    """The value and the gradient on the own side."""
    own, other = normal(32, seed=1), normal(24, seed=2)
    if subject.kind == "logits":
        own, other = normal(10, seed=1), normal(10, seed=2)
    other = dataclasses.replace(other, x=other.x[: situation.examples])
    own = dataclasses.replace(
        own,
        x=own.x[: situation.examples],
        labels=situation.labels(own.labels)[: situation.examples],
    )
    if placement in ("own", "both"):
        own = situation.apply(own)
    if placement in ("other", "both"):
        other = situation.apply(other)
    x = own.x.detach().clone().requires_grad_(True)
    autocast = situation.autocast
    with torch.autocast("cpu", dtype=autocast) if autocast else nullcontext():
        value = subject.call(x, other.x, own.labels)
    (gradient,) = torch.autograd.grad(value, x)
    return float(value.detach()), gradient.double()


def cell(subject: Subject, situation: Situation) -> Cell:
    if subject.k is not None and subject.k >= situation.examples:
        try:
            measure(subject, situation, "own")
        except InputError as error:
            return Cell(str(error), math.nan, {}, math.nan, math.nan)
        raise AssertionError(f"{subject.column} accepts k={subject.k} for {situation.title}")
    usual = float(measure(subject, SITUATIONS[0], "own")[1].norm())
    measured = {place: measure(subject, situation, place) for place in subject.placements}
    norms = {place: float(gradient.norm()) for place, (_, gradient) in measured.items()}
    value, gradient = measured["own"]
    dead_row = math.nan
    if situation.change is one_row_zero:
        dead_row = float(gradient[3].norm())
    # max() would pass over a NaN
    worst = sum(norms.values()) if not math.isfinite(sum(norms.values())) else max(norms.values())
    return Cell(None, value, norms, worst / usual, dead_row)


@functools.cache
def table() -> dict[tuple[str, str], Cell]:
    """(situation, column) -> what happens."""
    return {
        (situation.title, subject.column): cell(subject, situation)
        for situation in SITUATIONS
        for subject in subjects()
    }


# ----------------------------------------------------------------------------------- the page


def digits(number: float) -> str:
    """Two digits, so that the page is the same on every machine."""
    if number == 0:
        return "0"
    if abs(number) < 1e-5:
        return "< 1e-5"
    return f"{float(f'{number:.2g}'):g}"


def markdown(columns: list[str], show: Callable[[Cell], str]) -> str:
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for situation in SITUATIONS:
        cells = [table()[situation.title, column] for column in columns]
        shown = ["refused" if cell.refused else show(cell) for cell in cells]
        lines.append(f"| {situation.title} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def page() -> str:
    defaults = [s.column for s in subjects() if s.is_default]
    legend = "\n".join(
        f"- **{s.column}**: `{s.name}`"
        + {"graph": ", the sum of its squared weights", "smoothness": " of the labels"}.get(
            s.column, ""
        )
        for s in subjects()
        if s.is_default
    )
    variants = [s for s in subjects() if not s.is_default]
    distillation = [s.column for s in variants if s.name == "graph_distillation_loss"]
    others = [s.column for s in variants if s.name != "graph_distillation_loss"]
    return f"""# Degenerate batches

What every loss and graph makes of the batches that break others: a last batch of one example,
duplicates, dead rows, collapse, one class, signed features, large offsets, half precision.
Nothing here is NaN or infinite, and no gradient is larger than 1,000 times that of a normal batch.

This page is written by `python -m tests.contract.degenerate`, from the same table the tests assert
on. A normal batch has {EXAMPLES} examples in {CLASSES} classes with ReLU features. "Refused" is an
error in one sentence, because `k` neighbours need more than `k` examples.

{legend}

## Size of the gradient

The norm of the gradient, divided by that of a normal batch. Where a function has two sides
(student and teacher, two layers), the situation befalls the one, the other and both, and the
largest of the three is shown.

{markdown(defaults, lambda cell: digits(cell.ratio))}

## Value

Where there are two sides, the situation befalls the student, or the first layer.

{markdown(defaults, lambda cell: digits(cell.value))}

## Size of the gradient, by construction of the graph

`graph_distillation_loss`:

{markdown(distillation, lambda cell: digits(cell.ratio))}

The other functions:

{markdown(others, lambda cell: digits(cell.ratio))}

## What the zeros mean

- An all-zero row has no direction: under the cosines it is an isolated vertex, with degree 0, no
  edge and no gradient. Under the distances it is a point like any other.
- Degrees are sums of absolute weights, so that those of signed features do not cancel. For
  non-negative features they are the published ones.
- Coinciding points have distance 0 and no direction between them, hence no gradient along it.
- A batch of one class has no pair of different labels: nothing to separate, value and gradient 0.
- Half precision, and whatever arrives inside autocast, is computed in float32.
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}: {len(SITUATIONS)} situations, {len(subjects())} functions")
