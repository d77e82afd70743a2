"""One forward pass that leaves no trace, to see which taps a model has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import nn

from torchlgg.activations._outputs import tensors_in
from torchlgg.activations._select import Layers, check_model, select
from torchlgg.activations._taps import call_names
from torchlgg.activations._watch import watch
from torchlgg.core import InputError


@dataclass(frozen=True, kw_only=True)
class TapInfo:
    """One call of one module in a dry run.

    Args:
        name: the tap's name, as `capture` gives it.
        module_type: the name of the module's class.
        shapes: the shapes of all tensors of the output; empty where it holds none.
        dtype: the type of the first of them.
        auto: whether ``layers="auto"`` chooses this module.

    Example:
        >>> import torch
        >>> dry_run(torch.nn.Sequential(torch.nn.Linear(3, 2)), torch.ones(1, 3))[0].shape
        (1, 2)
    """

    name: str
    module_type: str
    shapes: tuple[tuple[int, ...], ...]
    dtype: torch.dtype | None
    auto: bool

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of the tensor that `capture` takes, the first; None where there is none."""
        return self.shapes[0] if self.shapes else None


@dataclass(frozen=True)
class DryRun(Sequence[TapInfo]):
    """The taps of a model in order of execution; prints as a table.

    Args:
        taps: one entry per call of a module.
        not_run: the paths of modules that were not called.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> print(dry_run(model, torch.ones(5, 3)))
        name  module  shape   dtype    auto
        0     Linear  (5, 8)  float32
        1     ReLU    (5, 8)  float32  *
        2     Linear  (5, 2)  float32
    """

    taps: tuple[TapInfo, ...]
    not_run: tuple[str, ...] = ()

    @overload
    def __getitem__(self, place: int) -> TapInfo: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[TapInfo, ...]: ...
    def __getitem__(self, place: int | slice) -> TapInfo | tuple[TapInfo, ...]:
        return self.taps[place]

    def __len__(self) -> int:
        return len(self.taps)

    def __str__(self) -> str:
        rows = [("name", "module", "shape", "dtype", "auto")]
        for tap in self.taps:
            shapes = ", ".join(map(str, tap.shapes)) or "no tensor"
            dtype = str(tap.dtype).removeprefix("torch.") if tap.dtype else "-"
            rows.append((tap.name, tap.module_type, shapes, dtype, "*" if tap.auto else ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        if self.not_run:
            lines.append("not run: " + ", ".join(self.not_run))
        return "\n".join(lines)


def dry_run(
    model: nn.Module,
    *inputs: Any,
    kwargs: Mapping[str, Any] | None = None,
    layers: Layers = "*",
) -> DryRun:
    """Run a model once and list its taps: names, classes, shapes, types, and what "auto" takes.

    The model runs in eval mode without gradients; its training flags and buffers are afterwards
    what they were, also after an exception.

    Args:
        model: any module.
        inputs: what the model is called with; one example is enough.
        kwargs: what the model is called with by keyword.
        layers: which modules to list, as in `capture`; all by default.

    Returns:
        The taps in order of execution, and the modules that did not run.

    Raises:
        InputError: `layers` names a module that does not exist.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
        >>> table = dry_run(model, torch.ones(1, 3, 8, 8), layers="1")
        >>> table[0].name, table[0].module_type, table[0].shape
        ('1', 'BatchNorm2d', (1, 4, 6, 6))
    """
    inner = check_model(model)
    modules = select(inner, layers).modules
    calls: list[tuple[str, Any, torch.dtype | None]] = []

    def note(tap: str, output: Any) -> None:
        tensors = list(tensors_in(output))
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        calls.append((tap, shapes, tensors[0].dtype if tensors else None))

    with (
        torch.no_grad(),
        _as_before(model),
        watch(inner, modules, on_start=calls.clear, on_output=note),
    ):
        model(*inputs, **(kwargs or {}))
    auto = _auto_modules(inner)
    ran = [tap for tap, _, _ in calls]
    return DryRun(
        tuple(
            TapInfo(
                name=name,
                module_type=type(modules[tap]).__name__,
                shapes=shapes,
                dtype=dtype,
                auto=id(modules[tap]) in auto,
            )
            for name, (tap, shapes, dtype) in zip(call_names(ran), calls, strict=True)
        ),
        tuple(tap for tap, module in modules.items() if tap not in ran and _can_run(module)),
    )


def _can_run(module: nn.Module) -> bool:
    return type(module).forward is not nn.Module.forward  # a ModuleList only holds modules


def _auto_modules(model: nn.Module) -> set[int]:
    try:
        return {id(module) for module in select(model, "auto").modules.values()}
    except InputError:  # a model without inner layers has no automatic taps
        return set()


@contextmanager
def _as_before(model: nn.Module) -> Iterator[None]:
    """Eval mode for the block; training flags and buffers are restored after it."""
    flags = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
        for module, name, buffer, value in buffers:
            buffer.copy_(value)
            module._buffers[name] = buffer
