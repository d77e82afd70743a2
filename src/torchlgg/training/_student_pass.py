"""The student on one batch, and the way back of the gradient. Shapes: N examples of the batch.

A batch may be in parts: rows on other ranks, and micro-batches of this one's. The losses see the
view of the whole; a gradient with respect to that goes back part by part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from torchlgg.training._forward import Forward
from torchlgg.training._generators import global_generators, set_global_generators
from torchlgg.training._ranks import Ranks
from torchlgg.training._view import View

Pull = Mapping[str, Tensor]
"""A gradient of the whole batch with respect to some of the tensors of a view, by name."""


class StudentPass:
    """One forward pass of the student, of which gradients can be carried back.

    With several micro-batches the forward passes are made without a graph, and made again, with
    the same random numbers, when a gradient comes. Buffers, such as the statistics of batch norm,
    keep what the first passes left in them.

    Args:
        forward: the student.
        images: the rows of this rank, (n, C, H, W).
        examples: N, of all ranks.
        micro_batches: in how many parts to take the rows.
        ranks: the processes.
    """

    def __init__(
        self, forward: Forward, images: Tensor, examples: int, *, micro_batches: int, ranks: Ranks
    ) -> None:
        self._forward = forward
        self._ranks = ranks
        self._first = ranks.rows(examples).start
        parts = min(micro_batches, len(images))
        self._parts = images.tensor_split(parts)
        self._draws: list[dict[str, Tensor]] = []
        self._kept: View | None = None
        if parts == 1:
            if forward.compiled:
                self._draws.append(global_generators(images.device))
            self._kept = own = forward(images)
        else:
            views = []
            with torch.no_grad():
                for part in self._parts:
                    self._draws.append(global_generators(images.device))
                    views.append(forward(part).tensors())
            own = View.of({name: torch.cat([v[name] for v in views]) for name in views[0]})
        self.view = ranks.gathered(own)

    def backward(self, pull: Pull, *, scale: Callable[[Tensor], Tensor]) -> None:
        """Add a gradient, carried back to the student's parameters, to theirs.

        Args:
            pull: the gradient.
            scale: what it is multiplied by on the way.
        """
        for view, rows in self._views():
            tensors, gradients = _at(view, pull, rows, scale)
            torch.autograd.backward(tensors, gradients)
        gradients = [p.grad for p in self._forward.net.parameters() if p.grad is not None]
        self._ranks.sum_(gradients)

    def norms(self, pulls: Mapping[str, Pull]) -> dict[str, float]:
        """The norm of each of several gradients at the student's parameters.

        Args:
            pulls: gradients by name.

        Returns:
            The norms; not finite where half precision does not hold them.
        """
        if self._forward.compiled:
            self._kept = None  # its backward pass overwrites what it needs, so it runs once
        if not self._forward.half:
            return {name: self._norm(pull, 1.0) for name, pull in pulls.items()}
        norms = {}
        for name, pull in pulls.items():
            size = _size(pull)
            for room in (16, 1 / 16, 1 / 4096):  # sums on the way may be larger than what comes in
                norms[name] = self._norm(pull, size / room)
                if math.isfinite(norms[name]):
                    break
        return norms

    def _norm(self, pull: Pull, size: float) -> float:
        """The norm at the parameters, of a gradient that is divided by ``size`` on its way."""
        parameters = [p for p in self._forward.net.parameters() if p.requires_grad]
        found: list[Tensor | None] = [None] * len(parameters)
        for view, rows in self._views():
            tensors, gradients = _at(view, pull, rows, lambda gradient: gradient / size)
            if not tensors:
                return 0.0
            reached = torch.autograd.grad(
                tensors,
                parameters,
                gradients,
                retain_graph=self._kept is not None,
                allow_unused=True,
            )
            for place, gradient in enumerate(reached):
                before = found[place]
                if gradient is not None:
                    found[place] = gradient if before is None else before + gradient
        there = [gradient for gradient in found if gradient is not None]
        self._ranks.sum_(there)
        norms = [torch.linalg.vector_norm(gradient.double()) for gradient in there]
        return size * float(torch.stack(norms).norm())

    def _views(self) -> Iterator[tuple[View, slice]]:
        """The views of the parts, each with its graph and its rows; used up one by one."""
        if self._kept is not None:
            yield self._kept, slice(self._first, self._first + len(self._parts[0]))
            return
        buffers = list(self._forward.net.buffers())
        saved = [buffer.clone() for buffer in buffers]
        start = self._first
        for part, before in zip(self._parts, self._draws, strict=True):
            set_global_generators(part.device, before)
            yield self._forward(part), slice(start, start + len(part))
            start += len(part)
        with torch.no_grad():
            for buffer, value in zip(buffers, saved, strict=True):
                buffer.copy_(value)


def _at(
    view: View, pull: Pull, rows: slice, scale: Callable[[Tensor], Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors that are pulled at and the gradients, without those of frozen layers."""
    tensors = view.tensors()
    live = [name for name in pull if tensors[name].requires_grad]
    return (
        [tensors[name] for name in live],
        [scale(pull[name][rows]).to(tensors[name].dtype) for name in live],
    )


def _size(pull: Pull) -> float:
    """The power of two below the largest entry."""
    largest = max((float(gradient.abs().max()) for gradient in pull.values()), default=0.0)
    return 2.0 ** math.floor(math.log2(largest)) if 0 < largest < math.inf else 1.0
