"""The batch of all processes of a group: gathered rows, with the gradient that belongs to them.

Every rank holds some rows of each tensor; the batch is all of them in rank order. The adjoint of
"every rank gets every row" is "the gradients of all ranks are summed, and each takes its own rows".
With a loss that every rank computes on the whole batch, the mean of the parameters' gradients over
ranks, which DistributedDataParallel takes, is then the gradient that one process would have.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed

from torchlgg.core._errors import InputError
from torchlgg.core._precision import at_least_float32

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def gather_rows(tensor: Tensor, group: ProcessGroup | None) -> Tensor:
    """The rows of all ranks, in rank order, on every rank.

    The backward pass sums the gradients of all ranks and takes this rank's rows. Every rank of the
    group must call it, and must run the backward pass when one does. A compiler leaves its graph
    here, so that ``fullgraph=True`` is for ``None`` alone.

    Args:
        tensor: (N, ...), of any type; N may differ between ranks and be 0 on some of them.
        group: the ranks; ``None``, or a group of one, is this process alone.

    Returns:
        (sum of all N, ...); ``tensor`` itself where there is nothing to gather.

    Raises:
        InputError: on every rank, where ranks disagree on anything but N; or a group that this
            process is no member of.

    Example:
        >>> gather_rows(torch.tensor([1.0, 2.0]), None)
        tensor([1., 2.])
    """
    rows: Tensor = gather_batch({"tensor": tensor}, group, where="gather_rows")["tensor"]
    return rows


def gather_batch(
    tensors: Mapping[str, Any],
    group: ProcessGroup | None,
    *,
    where: str,
    counts: list[int] | None = None,
) -> dict[str, Any]:
    """The rows of several tensors that describe the same examples, by one exchange of counts.

    Args:
        tensors: argument or tap to (N, ...), with one N on each rank. What is not a tensor with
            rows stays as it is, but must be so on all ranks.
        group: the ranks; ``None``, or a group of one, is this process alone.
        where: the public function that was called.
        counts: what :func:`count_rows` of the same tensors gave; ``None`` asks it here.

    Returns:
        The same names, with the rows of all ranks, as of :func:`gather_rows`.

    Raises:
        InputError: on every rank, as :func:`count_rows`.

    Example:
        >>> gather_batch({"x": torch.ones(2), "y": None}, None, where="a_loss")
        {'x': tensor([1., 1.]), 'y': None}
    """
    gathered = dict(tensors)
    counts = count_rows(tensors, group, where=where) if counts is None else counts
    if group is not None and len(counts) > 1:
        names = [name for name, value in tensors.items() if _has_rows(value)]
        rows = _Gather.apply(counts, group, *(tensors[name] for name in names))
        gathered.update(zip(names, rows, strict=True))
    return gathered


def count_rows(tensors: Mapping[str, Any], group: ProcessGroup | None, *, where: str) -> list[int]:
    """How many examples each rank has; the one place where ranks find out that they disagree.

    Args:
        tensors: as for :func:`gather_batch`.
        group: the ranks; ``None``, or a group of one, is this process alone.
        where: the public function that was called.

    Returns:
        One number for each rank, in rank order.

    Raises:
        InputError: on every rank, where ranks disagree on names, types or shapes other than N, on
            what needs a gradient, where the rows of one rank do not belong together, or where the
            group has no way to send a tensor; or a group that this process is no member of.

    Example:
        >>> count_rows({"x": torch.ones(2)}, None, where="a_loss")
        [2]
    """
    rows = {f"`{name}`": len(value) for name, value in tensors.items() if _has_rows(value)}
    count = min(rows.values(), default=0)
    if group is None or not _has_other_ranks(group, where=where):
        return [count]
    if count < max(rows.values(), default=0):
        kinds = {"rows": ", ".join(f"{name} has {number}" for name, number in rows.items())}
        count = -1
    else:
        kinds = {f"`{name}`": _kind(value) for name, value in tensors.items()}
        kinds = {"the function": where, **kinds}
    text = "\n".join(f"{name}\t{kind}" for name, kind in kinds.items()).encode()
    digest = int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big")
    mailbox = _mailbox(group)
    own_13 = torch.tensor([[count, digest, len(text)]], device=mailbox)
    all_R3 = own_13.new_empty(group.size(), 3)
    distributed.all_gather_into_tensor(all_R3, own_13, group=group)
    counts, digests, lengths = map(list, zip(*all_R3.tolist(), strict=True))
    if len(set(digests)) > 1 or min(counts) < 0:
        own_1B = torch.zeros(1, max(lengths), dtype=torch.uint8)
        own_1B[0, : len(text)] = torch.tensor(list(text), dtype=torch.uint8)
        all_RB = _all_rows(own_1B.to(mailbox), [1] * group.size(), group)
        texts = [bytes(row).rstrip(b"\0").decode() for row in all_RB.tolist()]
        raise InputError(_disagreement(texts, where=where))
    _check_devices(tensors, group, where=where)
    return counts


def ranks_agree(vote: bool, group: ProcessGroup) -> bool:
    """Whether every rank of ``group`` votes yes with its ``vote``."""
    votes = torch.tensor(int(vote), device=_mailbox(group))
    distributed.all_reduce(votes, op=distributed.ReduceOp.MIN, group=group)
    return bool(votes)


def sum_over_ranks_(x: Tensor, group: ProcessGroup | None) -> Tensor:
    """``x``, with those of the other ranks of ``group`` added in place; no gradient.

    Example:
        >>> sum_over_ranks_(torch.ones(2), None)
        tensor([1., 1.])
    """
    if group is not None:
        distributed.all_reduce(x, group=group)
    return x


def _has_other_ranks(group: ProcessGroup, *, where: str) -> bool:
    if not distributed.is_available() or not isinstance(group, distributed.ProcessGroup):
        raise InputError(
            f"{where}: `group` must be None or a torch.distributed.ProcessGroup that this process "
            f"is a member of, got {group!r}; pass torch.distributed.group.WORLD for all processes"
        )
    return group.size() > 1


class _Gather(torch.autograd.Function):
    """The rows of all ranks; one node for a call, so that all ranks sum in the same order."""

    @staticmethod
    def forward(
        ctx: Any, counts: list[int], group: ProcessGroup, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.counts, ctx.group = counts, group
        gathered = tuple(_all_rows(tensor, counts, group) for tensor in tensors)
        needed = ctx.needs_input_grad[2:]
        ctx.mark_non_differentiable(
            *(rows for rows, need in zip(gathered, needed, strict=True) if not need)
        )
        return gathered

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        rank = ctx.group.rank()
        start, count = sum(ctx.counts[:rank]), ctx.counts[rank]
        own: list[Tensor | None] = []
        for gradient, need in zip(gradients, ctx.needs_input_grad[2:], strict=True):
            if need:
                total = at_least_float32(gradient).clone(memory_format=torch.contiguous_format)
                distributed.all_reduce(total, group=ctx.group)
                own.append(total[start : start + count].to(gradient.dtype, copy=True))
            else:
                own.append(None)
        return None, None, *own


def _all_rows(tensor: Tensor, counts: list[int], group: ProcessGroup) -> Tensor:
    """The rows of all ranks as bytes, which every backend sends whatever the type."""
    shape = (sum(counts), *tensor.shape[1:])
    width = math.prod(shape[1:])
    if 0 in (shape[0], width):
        return tensor.new_empty(shape)
    most = max(counts)
    # a copy into rows of our own, because a view as bytes asks more of strides than contiguity
    own_NW = tensor.new_zeros(most, width)
    own_NW[: len(tensor)] = tensor.detach().reshape(len(tensor), width)
    own_NB = own_NW.view(torch.uint8)
    all_NB = own_NB.new_empty(most * len(counts), own_NB.shape[1])
    distributed.all_gather_into_tensor(all_NB, own_NB, group=group)
    if min(counts) < most:
        starts = range(0, len(all_NB), most)
        all_NB = torch.cat(
            [all_NB[start : start + count] for start, count in zip(starts, counts, strict=True)]
        )
    return all_NB.view(tensor.dtype).reshape(shape)


def _has_rows(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def _kind(value: Any) -> str:
    """What all ranks must agree on."""
    if not isinstance(value, Tensor):
        return "None" if value is None else f"of type {type(value).__name__}"
    shape = "".join(f", {size}" for size in value.shape[1:]) or ","
    trained = torch.is_grad_enabled() and value.requires_grad
    return (
        f"{value.dtype} of shape {f'(N{shape})' if value.ndim else '()'} on {value.device.type}, "
        f"{'with' if trained else 'without'} gradient"
    )


def _devices(group: ProcessGroup) -> list[str]:
    """The kinds of devices between which the group can send."""
    return [way.split(":")[0] for way in distributed.get_backend_config(group).split(",")]


def _mailbox(group: ProcessGroup) -> torch.device:
    """Where numbers about the batch travel: the CPU, if the group has a way for it."""
    devices = _devices(group)
    if "cpu" in devices:
        return torch.device("cpu")
    return torch.device(devices[0], torch.get_device_module(devices[0]).current_device())


def _check_devices(tensors: Mapping[str, Any], group: ProcessGroup, *, where: str) -> None:
    """Raise unless the group can send every tensor; ranks agree on where each of them lies."""
    devices = _devices(group)
    for name, value in tensors.items():
        if _has_rows(value) and value.device.type not in devices:
            raise InputError(
                f"{where}: `{name}` lies on {value.device.type}, and `group` sends between devices "
                f"of type {' or '.join(devices)} only; move it there, or make the group with a "
                "backend for it"
            )


def _disagreement(texts: list[str], *, where: str) -> str:
    """The sentence that every rank gives; ``texts`` has one kind a line, for each rank."""
    by_rank = [dict(line.split("\t") for line in text.split("\n")) for text in texts]
    for rank, kinds in enumerate(by_rank):
        if "rows" in kinds:
            return (
                f"{where}: all tensors of a rank must describe the same examples; on rank {rank} "
                f"of `group`, in rows: {kinds['rows']}"
            )
    other = next(rank for rank, text in enumerate(texts) if text != texts[0])
    first, second = by_rank[0], by_rank[other]
    for name in {**first, **second}:
        came = [kinds.get(name, "absent") for kinds in (first, second)]
        if came[0] != came[1]:
            return (
                f"{where}: the ranks of `group` must pass the same but for the number N of "
                f"examples: {name} is {came[0]} on rank 0 and {came[1]} on rank {other}"
            )
    orders = [", ".join(name for name in kinds if "`" in name) for kinds in (first, second)]
    return (
        f"{where}: the ranks of `group` must pass the same tensors in the same order: {orders[0]} "
        f"on rank 0, {orders[1]} on rank {other}"
    )
