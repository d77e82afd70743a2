"""Questions to the gather and to losses that every rank answers; the tests read the answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, distributed, nn

import torchlgg.core._ranks as ranks_file
import torchlgg.losses._graph_distillation as distillation_file
from torchlgg.core import InputError, gather_rows
from torchlgg.graphs import GraphSpec
from torchlgg.losses import (
    dist_loss,
    graph_distillation_loss,
    graph_smoothness_loss,
    similarity_preserving_loss,
    smoothness_variation_loss,
    soft_target_loss,
)

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
]
SHAPES = [(), (3,), (2, 1, 3), (0,)]


def rows(count: int, shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (5 * torch.randn(count, *shape, generator=generator)).to(dtype)


def part(whole: Tensor, rank: int, world: int) -> Tensor:
    """Uneven parts: 1 row on rank 0, none on rank 1 of 3, the rest on the last."""
    ends = [0, 1, *([1] if world == 3 else []), len(whole)]
    return whole[ends[rank] : ends[rank + 1]]


def every_type_and_shape(rank: int, world: int) -> dict[str, Tensor]:
    found = {}
    for dtype in DTYPES:
        for shape in SHAPES:
            own = part(rows(6, shape, dtype, 1), rank, world)
            found[f"{dtype}{shape}"] = gather_rows(own, distributed.group.WORLD)
    return found


def not_contiguous(rank: int, world: int) -> dict[str, Tensor]:
    whole = rows(6, (4, 3), torch.float32, 2)
    own = part(whole, rank, world)
    group = distributed.group.WORLD
    wide = part(rows(12, (4,), torch.float32, 2)[::2], rank, world)
    return {
        "transposed": gather_rows(own.mT, group),
        "strided": gather_rows(wide, group),
        "column": gather_rows(part(whole, rank, world)[:, :1, 0], group),
        "row as a column": gather_rows(torch.ones(1, len(own)).mT, group),
        "expanded": gather_rows(torch.ones(1, 1).expand(len(own), 3), group),
    }


def the_adjoint(rank: int, world: int) -> dict[str, Tensor]:
    """Every rank weighs the rows in its own way; the weights of all ranks must come back."""
    found = {}
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        own = part(rows(6, (2, 2), dtype, 3), rank, world).requires_grad_()
        weights = rows(6, (2, 2), torch.float32, 10 + rank).to(dtype)
        (gather_rows(own, distributed.group.WORLD) * weights).sum().backward()
        found[str(dtype)] = own.grad
    return found


def the_gradient_may_stop(rank: int, world: int) -> dict[str, Any]:
    own = torch.ones(2, 2, requires_grad=True)
    group = distributed.group.WORLD
    with torch.no_grad():
        silent = gather_rows(own, group).requires_grad
    return {
        "no_grad": silent,
        "constant": gather_rows(own.detach(), group).requires_grad,
        "leaf": gather_rows(own, group).requires_grad,
    }


def a_group_of_some(rank: int, world: int) -> dict[str, Any]:
    """The first and the last rank, the last one first in the group if the caller says so."""
    group = distributed.new_group([0, world - 1])
    own = torch.full((1 + rank, 1), float(rank))
    if rank in (0, world - 1):
        return {"rows": gather_rows(own, group)}
    return {"error": _sentence(gather_rows, own, group)}


def a_group_of_one(rank: int, world: int) -> dict[str, Any]:
    groups = [distributed.new_group([other]) for other in range(world)]
    whole = rows(6, (4,), torch.float32, 4)
    teacher = rows(6, (3,), torch.float32, 5)
    student, alone = whole.clone().requires_grad_(), whole.clone().requires_grad_()
    with Traffic() as sent:
        value = graph_distillation_loss(student, teacher, group=groups[rank])
        value.backward()
    expected = graph_distillation_loss(alone, teacher)
    expected.backward()
    same = torch.equal(value, expected) and torch.equal(student.grad, alone.grad)
    return {"same": same, "sent": sent}


class Traffic:
    """A block that notes how many numbers each collective of the library sends."""

    def __enter__(self) -> list[int]:
        self.sent: list[int] = []
        ranks_file.distributed = self
        return self.sent

    def __exit__(self, *error: object) -> None:
        ranks_file.distributed = distributed

    def __getattr__(self, name: str) -> Any:
        return getattr(distributed, name)

    def all_reduce(self, x: Tensor, **options: Any) -> None:
        self.sent.append(x.numel())
        distributed.all_reduce(x, **options)

    def all_gather_into_tensor(self, out: Tensor, x: Tensor, **options: Any) -> None:
        self.sent.append(out.numel())
        distributed.all_gather_into_tensor(out, x, **options)


def several_taps_in_a_mapping(rank: int, world: int) -> dict[str, Any]:
    """Taps of other types and widths, by name; a teacher that would have a gradient on one rank."""
    students = {"a": rows(6, (4,), torch.float32, 6), "b": rows(6, (2, 2), torch.bfloat16, 7)}
    teachers = {"a": rows(6, (3,), torch.float64, 8), "b": rows(6, (5,), torch.float16, 9)}
    own = [
        {name: part(tap, rank, world) for name, tap in taps.items()}
        for taps in (students, teachers)
    ]
    own[1]["a"].requires_grad_(rank == 0)
    value = similarity_preserving_loss(*own, group=distributed.group.WORLD)
    return {"value": value, "expected": similarity_preserving_loss(students, teachers)}


def compiled_around_the_gather(rank: int, world: int) -> dict[str, Any]:
    student, teacher = rows(6, (4,), torch.float32, 6), rows(6, (4,), torch.float32, 7)
    compiled = torch.compile(dist_loss, backend="eager")
    own = [part(x, rank, world) for x in (student, teacher)]
    value = compiled(*own, group=distributed.group.WORLD)
    return {"value": value, "expected": dist_loss(student, teacher)}


def beside_a_local_loss(rank: int, world: int) -> dict[str, Any]:
    """Sums of the loss and of DistributedDataParallel's many buckets, in one backward pass."""
    x, teacher = (rows(6, (width,), torch.float64, width) for width in (4, 3))
    model = _layers()
    parallel = nn.parallel.DistributedDataParallel(model, bucket_cap_mb=1e-5)
    for _ in range(3):
        parallel.zero_grad()
        own = part(x, rank, world)
        hidden, out = parallel(own)
        loss = graph_distillation_loss(
            hidden, part(teacher, rank, world), group=distributed.group.WORLD
        )
        (out.square().sum() + loss).backward()
    whole = _layers()
    hidden, out = whole(x)
    (out.square().sum() / world + graph_distillation_loss(hidden, teacher)).backward()
    return {
        "came": [parameter.grad for parameter in model.parameters()],
        "expected": [parameter.grad for parameter in whole.parameters()],
    }


class _Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.first(x)
        return hidden, self.second(hidden)


def _layers() -> _Layers:
    torch.manual_seed(1)
    return _Layers().double()


# ----------------------------------------------------------------------------- sums over ranks

SUMS = {
    "cosine": ({}, False),
    "graph_kd, mean": ({"spec": GraphSpec.graph_kd(), "reduction": "mean"}, False),
    "not normalised": ({"spec": GraphSpec(normalization=None)}, True),
    "shifted": ({"spec": GraphSpec(similarity="shifted_cosine")}, True),
}
EXAMPLES_BY_SUMS = 600
WIDTHS = (5, 8)


def features(count: int, width: int, seed: int, *, signed: bool) -> Tensor:
    x = rows(count, (width,), torch.float64, seed)
    x[2] = 0
    return x if signed else x.abs()


def share(whole: Tensor, rank: int, world: int) -> Tensor:
    """Uneven shares, no rank without."""
    ends = [0, len(whole) // 2, *([len(whole) - 1] if world == 3 else []), len(whole)]
    return whole[ends[rank] : ends[rank + 1]]


def graph_distillation_by_sums(rank: int, world: int) -> dict[str, Any]:
    """Sums that travel, beside rows that travel; each rank weighs its loss in its own way."""
    found = {}
    for title, (options, signed) in SUMS.items():
        for dtype in (torch.float64, torch.float32):
            for count in (EXAMPLES_BY_SUMS, 2 * EXAMPLES_BY_SUMS):
                whole = [features(count, width, width, signed=signed) for width in WIDTHS]
                own, teacher = (share(x, rank, world).to(dtype) for x in whole)
                for way in ("sums", "rows"):
                    student = own.clone().requires_grad_()
                    with Traffic() as sent, _way(way):
                        value = graph_distillation_loss(
                            student, teacher, **options, group=distributed.group.WORLD
                        )
                        ((rank + 1) * value).backward()
                    answer = {"value": value.detach(), "gradient": student.grad, "sent": sent}
                    found[f"{title}-{dtype}-{count}-{way}"] = answer
    return found


@contextlib.contextmanager
def _way(way: str) -> Iterator[None]:
    real = distillation_file.distances_by_shared_sums
    if way == "rows":
        distillation_file.distances_by_shared_sums = lambda *args, **options: None
    yield
    distillation_file.distances_by_shared_sums = real


def where_sums_do_not_do(rank: int, world: int) -> dict[str, Any]:
    """Batches of which rows must travel, although most ranks cannot see why."""
    group = distributed.group.WORLD
    student, teacher = (features(600, width, width, signed=False) for width in WIDTHS)
    own = [share(x, rank, world) for x in (student, teacher)]
    signed = [student.clone(), teacher]
    signed[0][-1] *= -1
    uneven = [x if rank == 0 else x[:0] for x in (student, teacher)]
    poisoned = [share(x.clone(), rank, world) for x in (student, teacher)]
    if rank == world - 1:
        poisoned[0][0, 1] = float("inf")
    centred = {"spec": GraphSpec(center=True, normalization=None)}
    mapped = [MappingProxyType({"a": x, "b": x}) for x in own]
    with Traffic() as sent:
        two_taps = graph_distillation_loss(*mapped, group=group)
    return {
        "signed on one rank": (
            graph_distillation_loss(*(share(x, rank, world) for x in signed), group=group),
            graph_distillation_loss(*signed),
        ),
        "a rank with none": (
            graph_distillation_loss(*uneven, group=group),
            graph_distillation_loss(student, teacher),
        ),
        "centred": (
            graph_distillation_loss(*own, **centred, group=group),
            graph_distillation_loss(student, teacher, **centred),
        ),
        "one of two taps": (
            graph_distillation_loss(
                [own[0], own[0] - 1], [own[1], own[1]], group=distributed.group.WORLD
            ),
            graph_distillation_loss([student, student - 1], [teacher, teacher]),
        ),
        "two taps by sums": (two_taps, graph_distillation_loss(student, teacher)),
        "sent for two taps": sent,
        "infinite on one rank": _sentence(graph_distillation_loss, *poisoned, group=group),
    }


# ------------------------------------------------------------------------------------ bad input


def _sentence(function: Callable[..., Any], *args: Any, **options: Any) -> str:
    try:
        function(*args, **options)
    except InputError as error:
        return str(error)
    return ""


def bad_input_on_the_last_rank(rank: int, world: int) -> dict[str, str]:
    """What each rank says of what only the last one did wrong."""
    group = distributed.group.WORLD
    last = rank == world - 1
    x = rows(4, (3,), torch.float32, rank)
    labels = torch.tensor([0, 1, 2, 0])
    trained = x.clone().requires_grad_()
    poisoned = x.clone()
    poisoned[1, 2] = float("nan")
    wrong = {
        "values": lambda: (graph_distillation_loss, poisoned, x),
        "width": lambda: (graph_distillation_loss, x[:, :2], x),
        "rows": lambda: (graph_distillation_loss, x[:3], x),
        "type": lambda: (soft_target_loss, x.double(), x),
        "function": lambda: (similarity_preserving_loss, x, x),
        "taps": lambda: (graph_distillation_loss, [x, x], [x, x]),
        "names": lambda: (smoothness_variation_loss, {"b": x, "a": x}, labels),
        "labels": lambda: (graph_smoothness_loss, x, None),
        "device": lambda: (graph_distillation_loss, x.to("meta"), x),
        "every device": lambda: (graph_distillation_loss, x, x.to("meta")),
        "gradient": lambda: (graph_distillation_loss, x, x),
    }
    right = {
        "type": (soft_target_loss, x, x),
        "taps": (graph_distillation_loss, [x], [x]),
        "names": (smoothness_variation_loss, {"a": x, "b": x}, labels),
        "labels": (graph_smoothness_loss, x, labels),
        "every device": (graph_distillation_loss, x, x.to("meta")),
        "gradient": (graph_distillation_loss, trained, x),
    }
    found = {}
    for name, arguments in wrong.items():
        chosen = arguments() if last else right.get(name, (graph_distillation_loss, x, x))
        options = {"temperature": 4.0} if chosen[0] is soft_target_loss else {}
        found[name] = _sentence(*chosen, **options, group=group)
    return found


QUESTIONS = [
    every_type_and_shape,
    not_contiguous,
    the_adjoint,
    the_gradient_may_stop,
    a_group_of_some,
    a_group_of_one,
    several_taps_in_a_mapping,
    compiled_around_the_gather,
    beside_a_local_loss,
    graph_distillation_by_sums,
    where_sums_do_not_do,
    bad_input_on_the_last_rank,
]
