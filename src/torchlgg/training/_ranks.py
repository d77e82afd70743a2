"""Several processes that train one network, as ``torchrun`` starts them.

Each rank holds the same weights and takes its rows of every batch through the networks. What the
losses see is gathered once, so that each of them computes on the whole batch, on every rank alike;
each rank then carries the gradient of its own rows back, and the sum over ranks is the gradient
that one process would have.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed, nn

from torchlgg.core import InputError, gather_batch, ranks_agree
from torchlgg.training._view import View

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


class StoppedElsewhere(KeyboardInterrupt):
    """Another rank stopped: it has the reason."""


@dataclass(frozen=True)
class Ranks:
    """The processes that train one network, seen from one of them.

    Args:
        rank: of this process, from 0.
        count: how many there are.
        group: through which they speak; ``None`` where this process is alone.

    Example:
        >>> from torchlgg.training import Ranks
        >>> Ranks(rank=1, count=3).rows(8)
        slice(3, 6, None)
    """

    rank: int = 0
    count: int = 1
    group: ProcessGroup | None = None

    @classmethod
    def current(cls) -> Ranks:
        """All processes of ``torch.distributed``, where it runs; else this one alone."""
        if not distributed.is_available() or not distributed.is_initialized():
            return cls()
        if distributed.get_world_size() == 1:
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size(), distributed.group.WORLD)

    def rows(self, examples: int) -> slice:
        """The rows of this rank in a batch, in rank order; the first ranks have one more.

        Args:
            examples: of the batch.
        """
        each, more = divmod(examples, self.count)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    def gathered(self, view: View) -> View:
        """What the networks of all ranks gave, in rank order; without gradient.

        Args:
            view: what that of this rank gave.
        """
        if self.group is None:
            return view
        with torch.no_grad():
            return View.of(gather_batch(view.tensors(), self.group, where="training"))

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Add those of the other ranks to each tensor, in place, by one message a type.

        Args:
            tensors: of one device.
        """
        if self.group is None:
            return
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            of_type = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.reshape(-1) for tensor in of_type])
            distributed.all_reduce(flat, group=self.group)
            parts = torch.split(flat, [tensor.numel() for tensor in of_type])
            for tensor, part in zip(of_type, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def share_from_first(self, net: nn.Module) -> None:
        """Give the weights and buffers of ``net`` on rank 0 to all.

        Args:
            net: the same network on every rank.
        """
        if self.group is not None:
            with torch.no_grad():
                for tensor in net.state_dict().values():
                    whole = tensor.contiguous()
                    distributed.broadcast(whole, src=0, group=self.group)
                    tensor.copy_(whole)

    def all_states(self, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The generators of all ranks by name; those of rank 0 have plain names.

        Args:
            own: of this rank.
        """
        if self.group is None:
            return dict(own)
        of_ranks: list[dict[str, Tensor]] = [{}] * self.count
        distributed.all_gather_object(of_ranks, dict(own), group=self.group)
        return {
            _of_rank(name, rank): state
            for rank, states in enumerate(of_ranks)
            for name, state in states.items()
        }

    def own_states(self, states: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The generators of this rank; none if there were fewer ranks.

        Args:
            states: what :meth:`all_states` gave.
        """
        names = {_of_rank(name, self.rank): name for name in states}
        return {names[name]: state for name, state in states.items() if name in names}

    def together(self, action: Callable[[], None]) -> None:
        """Do something on every rank; where it raises on one, all stop.

        Args:
            action: what each rank does.

        Raises:
            StoppedElsewhere: on the ranks on which it did not raise.
        """
        if self.group is None:
            action()
            return
        try:
            action()
        except BaseException:
            ranks_agree(False, self.group)
            raise
        if not ranks_agree(True, self.group):
            raise StoppedElsewhere("another rank stopped")


def _of_rank(name: str, rank: int) -> str:
    return f"{name} of rank {rank}" if rank else name


def launched() -> bool:
    """Whether this process is one of several that ``torchrun`` started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def launched_ranks(device: str) -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started with this one, for a block.

    Args:
        device: as of :class:`EngineConfig`; accelerators are those of the process's local rank.

    Yields:
        The ranks: this process alone where it was started alone.

    Raises:
        InputError: the processes do not find each other, or all are to be on one device.

    Example:
        >>> from torchlgg.training import launched_ranks
        >>> with launched_ranks("cpu") as ranks:
        ...     ranks.count
        1
    """
    if not launched() or distributed.is_initialized():
        yield Ranks.current()
        return
    on_cuda = device.partition(":")[0] in ("auto", "cuda") and torch.cuda.is_available()
    if ":" in device:
        raise InputError(
            f"`device` is {device!r}, but each of several processes has a device of its own: ask "
            f"for {device.partition(':')[0]!r}"
        )
    if on_cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if on_cuda else "gloo")
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "the processes of this run do not find each other: start them by torchrun "
            f"({str(error).partition(chr(10))[0]})"
        ) from error
    try:
        yield Ranks.current()
    finally:
        distributed.destroy_process_group()
