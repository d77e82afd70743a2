"""Taps on a network's modules for the forward passes of one block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

from torch import Tensor, nn

from torchlgg.activations._outputs import Pool, first_tensor, pool_features
from torchlgg.activations._select import Layers, check_model, select
from torchlgg.activations._taps import Taps
from torchlgg.activations._watch import watch
from torchlgg.core import check_option


@contextmanager
def capture(model: nn.Module, layers: Layers, *, pool: Pool | None = None) -> Iterator[Taps]:
    """Tap the outputs of a model's modules while a block runs.

    One forward pass fills all taps. They are the modules' true outputs, with their gradients:
    where a module returns a tensor, the network goes on with a copy of it, so that an in-place
    operation that follows (``nn.ReLU(inplace=True)``, ``out += shortcut``) does not reach the
    tap. That costs the memory of one copy per tap until backward; with `pool` only the pooled
    vectors are kept and nothing is copied. The tensors live as long as `taps` holds them.

    Each pass of `model` starts afresh: a second one in the same block replaces the taps of the
    first. Where `model` itself is never called (``model.features(x)``), everything that runs in
    the block is one pass.

    *Values.* A tuple, list, mapping or dataclass (also the model outputs of transformers) gives
    its first tensor, searched depth first. Such a tensor is not copied; if the network overwrites
    it later, reading the tap raises an error.

    *Wrappers.* Names do not contain ``module.`` or ``_orig_mod.``: a model inside DDP,
    DataParallel on one device, AveragedModel or torch.compile has the names that it has alone.

    *torch.compile.* Compiled code ignores hooks that were added after it was compiled, so inside
    the block every compiled function of the process runs uncompiled, and compiled again after it:
    keep the block to the forward pass and compute the loss after it. Inside a compiled function
    `capture` raises.

    Args:
        model: any module.
        layers: which modules, by their dotted paths as in ``model.named_modules()``:
            a path; a glob, where ``*`` also matches dots; a list of paths and globs; a mapping
            from path to alias; or ``"auto"``: the model's `auto_taps` if it has them, else the
            ends of its stages: the last modules before each stride of the trunk, or the repeated
            blocks where there are no strides, or the layers where there are no blocks, at most
            twelve, without stem and head; or ``"relu"``: the model's `relu_taps` if it has them,
            else every module that is a ReLU or one of its kin (leaky, ELU, GELU, SiLU, hard
            swish). `dry_run` shows them.
        pool: None for the outputs as they are; ``"mean"`` or ``"max"`` over the places of maps
            (N, C, H, W) and over the tokens of sequences (N, T, D), batch first; ``"cls"`` for
            the first token of sequences. Vectors (N, D) stay as they are. Maps with the channels
            last look like others and must be pooled by hand.

    Yields:
        The taps, empty until the model is called; see `Taps` for order and names.

    Raises:
        InputError: on entry, an unknown name, a glob without match, one module under two names,
            an unknown `pool`, a scripted model, a DataParallel over several devices, or a place
            inside a compiled function; during the pass, an output without a tensor or of a shape
            that `pool` has no meaning for; at the end of the block, no forward pass, a name whose
            module did not run, or a glob of which no module ran. The hooks are gone in every case.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(
        ...     torch.nn.Conv2d(3, 8, 3),
        ...     torch.nn.ReLU(),
        ...     torch.nn.Flatten(),
        ...     torch.nn.Linear(32, 2),
        ... )
        >>> with capture(model, ["1", "3"]) as taps:
        ...     output = model(torch.ones(5, 3, 4, 4))
        >>> {name: tuple(tap.shape) for name, tap in taps.items()}
        {'1': (5, 8, 2, 2), '3': (5, 2)}
        >>> bool((taps["3"] == output).all())
        True
    """
    check_option(pool, (None, *get_args(Pool)), name="pool", where="capture")
    inner = check_model(model)
    selection = select(inner, layers)
    taps = Taps(list(selection.modules))

    def keep(tap: str, output: Any) -> Tensor | None:
        tensor = first_tensor(output, tap=tap)
        if pool is not None:
            pooled = pool_features(tensor, pool, tap=tap)
            if pooled is not tensor:
                taps._add(tap, pooled)
                return None
        if isinstance(output, Tensor):
            taps._add(tap, output)
            return output.clone()
        # inside another value: an inference tensor does not say whether it was overwritten
        taps._add(tap, tensor.clone() if tensor.is_inference() else tensor)
        return None

    with watch(inner, selection.modules, on_start=taps._begin_pass, on_output=keep):
        yield taps
    taps._check_complete(selection.wishes, type(inner).__name__)
