"""The rule behind ``layers="auto"``: where the stages of a network end, read off its structure.

1. A model that has `auto_taps` says it itself (see `select`).
2. The *trunk* of a module is its children in order of registration (what only holds modules,
   as ModuleList does, is read through), up to the head: the first global pooling, flattening or
   linear classifier. Where one child holds more than half of the layers with weights, its trunk
   is looked at too, and so on downwards.
3. A module with a stride above 1 begins a new *stage*; the last module before it ends one. Of
   the trunks, the one with most stages is taken. Stages without weights do not count, nor do
   stages of plain layers where others consist of blocks (that is the stem).
4. No two stages: the repeated blocks, that is the children of one class that together hold more
   than half of their trunk's layers with weights.
5. No repeated blocks either: each layer with weights and what follows it (normalisation,
   activation) is a stage, without the one that makes the model's output.
6. Of more than twelve, twelve evenly spaced ones are kept, the last among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from torchlgg.core import InputError

_MOST_TAPS = 12
_FLATTENING = (
    nn.Flatten,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveMaxPool3d,
)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

Unwrap = Callable[[nn.Module], nn.Module]
Parts = Sequence[tuple[str, nn.Module]]


@dataclass(frozen=True)
class _Trunk:
    parts: Parts
    makes_output: bool  # whether the last part makes the model's output


def auto_paths(model: nn.Module, unwrap: Unwrap) -> tuple[str, ...]:
    """The paths of the modules that end the model's stages, by the rule above.

    Args:
        model: the model, unwrapped.
        unwrap: what takes the wrappers off a child.

    Returns:
        One to twelve paths in order of registration.

    Raises:
        InputError: the model has no inner layers to choose from.
    """
    trunks = list(_trunks(model, unwrap))
    stages = max((_stage_ends(trunk) for trunk in trunks), key=len)
    blocks = next(filter(None, map(_repeated_blocks, trunks)), ())
    layers = max((_layer_ends(trunk) for trunk in trunks), key=len)
    for paths in (stages, blocks, layers):
        if len(paths) >= 2 or (paths is layers and paths):
            return _thinned(paths)
    raise InputError(
        f"`layers`='auto' finds no inner layers in {type(model).__name__}: name its modules, "
        "which `dry_run` lists"
    )


def _trunks(model: nn.Module, unwrap: Unwrap) -> Iterator[_Trunk]:
    """The trunk of the model, then that of the child that holds most of it, and so on."""
    prefix, makes_output = "", True
    while True:
        children = list(_children(model, prefix, unwrap))
        parts = _without_head(children)
        makes_output = makes_output and len(parts) == len(children)
        yield _Trunk(parts, makes_output)
        total = sum(_weight_layers(module) for _, module in parts)
        heavy = [part for part in parts if 2 * _weight_layers(part[1]) > total]
        if not heavy or not _is_block(heavy[0][1]):
            return
        makes_output = makes_output and heavy[0] is parts[-1]
        prefix, model = f"{heavy[0][0]}.", heavy[0][1]


def _children(model: nn.Module, prefix: str, unwrap: Unwrap) -> Iterator[tuple[str, nn.Module]]:
    for name, child in model.named_children():
        module = unwrap(child)
        if type(module).forward is nn.Module.forward:  # only holds modules, as ModuleList does
            yield from _children(module, f"{prefix}{name}.", unwrap)
        else:
            yield prefix + name, module


def _without_head(parts: Parts) -> Parts:
    weights_seen = convolution_seen = False
    for place, (_, module) in enumerate(parts):
        weights = _weight_layers(module)
        pools = not weights and _has(module, _FLATTENING)
        if (pools and weights_seen) or (convolution_seen and _is_classifier(module)):
            return parts[:place]
        weights_seen = weights_seen or weights > 0
        convolution_seen = convolution_seen or _has(module, _CONVOLUTIONS)
    return parts


def _is_classifier(module: nn.Module) -> bool:
    """Linear layers without convolutions: one, or a sequence of plain layers, or with pooling."""
    if not _has(module, (nn.Linear,)) or _has(module, _CONVOLUTIONS):
        return False
    plain = isinstance(module, nn.Sequential) and not any(map(_is_block, module))
    return plain or isinstance(module, nn.Linear) or _has(module, _FLATTENING)


def _stage_ends(trunk: _Trunk) -> tuple[str, ...]:
    stages: list[list[tuple[str, nn.Module]]] = [[]]
    for part in trunk.parts:
        if _strides(part[1]) and stages[-1]:
            stages.append([])
        stages[-1].append(part)
    stages = [stage for stage in stages if any(_weight_layers(module) for _, module in stage)]
    of_blocks = [stage for stage in stages if any(_is_block(module) for _, module in stage)]
    return tuple(stage[-1][0] for stage in of_blocks or stages)


def _repeated_blocks(trunk: _Trunk) -> tuple[str, ...]:
    by_class: dict[type, list[tuple[str, nn.Module]]] = {}
    for path, module in trunk.parts:
        if _is_block(module) and _weight_layers(module):
            by_class.setdefault(type(module), []).append((path, module))
    total = sum(_weight_layers(module) for _, module in trunk.parts)
    for parts in by_class.values():
        if len(parts) >= 2 and 2 * sum(_weight_layers(module) for _, module in parts) > total:
            return tuple(path for path, _ in parts)
    return ()


def _layer_ends(trunk: _Trunk) -> tuple[str, ...]:
    ends: list[str] = []
    weights_seen = False
    for path, module in trunk.parts:
        begins = _is_block(module) or isinstance(module, (*_CONVOLUTIONS, nn.Linear))
        if begins and _weight_layers(module):
            ends.append(path)
            weights_seen = True
        elif weights_seen:
            ends[-1] = path
    return tuple(ends[:-1] if trunk.makes_output else ends)


def _thinned(paths: Sequence[str]) -> tuple[str, ...]:
    count = min(len(paths), _MOST_TAPS)
    return tuple(paths[-(-(place + 1) * len(paths) // count) - 1] for place in range(count))


def _weight_layers(module: nn.Module) -> int:
    return sum(1 for part in module.modules() if any(True for _ in part.parameters(recurse=False)))


def _is_block(module: nn.Module) -> bool:
    return any(True for _ in module.children())


def _has(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> bool:
    return any(isinstance(part, kinds) for part in module.modules())


def _strides(module: nn.Module) -> bool:
    """Whether the module, or one inside it, has a stride above 1."""
    for part in module.modules():
        stride = getattr(part, "stride", 1)
        steps = stride if isinstance(stride, tuple | list) else (stride,)
        if any(isinstance(step, int) and step > 1 for step in steps):
            return True
    return False
