"""Hooks on modules for the length of a block, with compiled code switched to eager meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from torchlgg.core import InputError

OnOutput = Callable[[str, Any], Any]
"""Called with a tap's name and a module's output; what it returns, if not None, replaces it."""


@contextmanager
def watch(
    model: nn.Module,
    modules: Mapping[str, nn.Module],
    *,
    on_start: Callable[[], None],
    on_output: OnOutput,
) -> Iterator[None]:
    """Call `on_output` for each output of `modules`, and `on_start` when `model` begins a pass.

    After a pass of `model` has ended, outputs count again only when it begins the next one: what
    activation checkpointing computes again during backward is no output. Where `model` itself is
    never called (``model.features(x)``), every output counts.

    Args:
        model: the model, unwrapped.
        modules: tap name to module.
        on_start: called before the outermost call of `model`.
        on_output: called after each call of a module, in order of execution.

    Yields:
        Nothing; the hooks are there until the block ends, however it ends.
    """
    calls_under_way = 0
    pass_ended = False

    def before_model(_module: nn.Module, _args: Any) -> None:
        nonlocal calls_under_way, pass_ended
        if calls_under_way == 0:
            pass_ended = False
            on_start()
        calls_under_way += 1

    def after_model(_module: nn.Module, _args: Any, _output: Any) -> None:
        nonlocal calls_under_way, pass_ended
        calls_under_way -= 1
        pass_ended = calls_under_way == 0

    def after_module(tap: str, _module: nn.Module, _args: Any, output: Any) -> Any:
        return None if pass_ended else on_output(tap, output)

    with _compiled_code_runs_eagerly(), ExitStack() as hooks:
        # first of all, so that it is called whenever `after_model` is
        hooks.callback(model.register_forward_pre_hook(before_model, prepend=True).remove)
        hooks.callback(model.register_forward_hook(after_model, always_call=True).remove)
        for tap, module in modules.items():
            hook = partial(after_module, tap)
            hooks.callback(module.register_forward_hook(hook).remove)
        yield


class _Stance:
    """torch's compiler stance, which belongs to the process, shared by the blocks now open."""

    lock = threading.Lock()
    open_blocks = 0
    eager: Any = None


@contextmanager
def _compiled_code_runs_eagerly() -> Iterator[None]:
    """Code that torch.compile made earlier would run without any hook added since.

    The first block that opens switches to eager and the last one that closes switches back, in
    whatever order they close.
    """
    if torch.compiler.is_compiling():
        raise InputError(_INSIDE_COMPILED)
    with _Stance.lock:
        if _Stance.open_blocks == 0:
            try:
                _Stance.eager = torch.compiler.set_stance("force_eager")
            except RuntimeError as error:  # between two graphs of a compiled function
                raise InputError(_INSIDE_COMPILED) from error
        _Stance.open_blocks += 1
    try:
        yield
    finally:
        with _Stance.lock:
            _Stance.open_blocks -= 1
            if _Stance.open_blocks == 0:
                _Stance.eager.__exit__(None, None, None)


_INSIDE_COMPILED = (
    "`capture` cannot be opened inside a function that torch.compile compiles: open it around "
    "the call of that function, which then runs without compilation, or leave that function "
    "uncompiled"
)
