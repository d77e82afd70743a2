"""From what a caller writes for `layers` to modules.

A path is the dotted name of a module inside the model, as `named_modules` gives it, without the
parts that wrappers add (``module.`` of DDP, ``_orig_mod.`` of torch.compile and so on).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from torchlgg.activations._auto import auto_paths
from torchlgg.core import InputError, did_you_mean

Layers = str | Sequence[str] | Mapping[str, str]
"""A path, a glob, "auto" or "relu"; a sequence of paths and globs; or a mapping to aliases."""

_EXPECTED = (
    "`layers` must be a path, a glob, 'auto', 'relu', a list of paths and globs, or a mapping "
    "from path to alias"
)

_RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish)

_WRAPPED_ATTRIBUTES = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")


@dataclass(frozen=True)
class Selection:
    """The modules to tap, by the names of their taps, and which wish each tap answers."""

    modules: dict[str, nn.Module]
    wishes: dict[str, tuple[str, ...]]


def unwrap(model: nn.Module) -> nn.Module:
    """The module inside DDP, DataParallel, AveragedModel, FSDP, checkpoint and compile wrappers.

    Args:
        model: any module.

    Returns:
        The innermost module; `model` itself where there is no wrapper.
    """
    while True:
        if isinstance(model, nn.DataParallel | DistributedDataParallel | AveragedModel):
            model = model.module
            continue
        inner = [name for name in _WRAPPED_ATTRIBUTES if name in model._modules]
        if not inner:
            return model
        model = model.get_submodule(inner[0])


def check_model(model: nn.Module) -> nn.Module:
    """The model without its wrappers, or an error for what cannot be watched.

    Args:
        model: what the caller passed.

    Returns:
        See `unwrap`.

    Raises:
        InputError: no module, a scripted one, or one that runs as copies on several devices.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"`model` must be a torch.nn.Module, got {type(model).__name__}")
    if isinstance(model, nn.DataParallel) and len(model.device_ids) > 1:
        raise InputError(
            f"`model` must run as one module: this DataParallel runs a copy on each of "
            f"{len(model.device_ids)} devices; capture `model.module`, or use "
            "DistributedDataParallel"
        )
    inner = unwrap(model)
    if isinstance(inner, torch.jit.ScriptModule):
        raise InputError(
            "`model` must be a Python module: a scripted or traced model takes no hooks; capture "
            "the module that it was made from"
        )
    return inner


def walk(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Every module inside an unwrapped model with its path, in order of registration.

    Args:
        model: the model; it is not listed itself.
        prefix: what each path begins with.

    Yields:
        (path, unwrapped module); a module registered under two paths comes twice.
    """
    for name, child in model._modules.items():
        if child is not None:
            module = unwrap(child)
            yield prefix + name, module
            yield from walk(module, f"{prefix}{name}.")


def select(model: nn.Module, layers: Layers) -> Selection:
    """The modules that `layers` asks for.

    Args:
        model: the model, unwrapped.
        layers: see `capture`.

    Returns:
        The modules by tap name, each module once, and the tap names by wish.

    Raises:
        InputError: `layers` is empty or of another type, names a module that does not exist, is
            a glob that matches none, or names one module or one alias twice.
    """
    paths = dict(walk(model))
    if isinstance(layers, Mapping):
        return _select_aliases(model, paths, layers)
    if isinstance(layers, str) and layers not in ("auto", "relu"):
        layers = [layers]
    elif layers in ("auto", "relu"):
        declared = getattr(model, f"{layers}_taps", None)
        if declared is None:  # chosen by rule, so that some of them may not run
            chosen = auto_paths(model, unwrap) if layers == "auto" else _relus(model, paths)
            return Selection({path: paths[path] for path in chosen}, {str(layers): chosen})
        layers = declared
    if not isinstance(layers, Iterable):
        raise InputError(f"{_EXPECTED}, got {layers!r}")
    wishes = [_checked(wish) for wish in layers]
    if not wishes:
        raise InputError("`layers` must name at least one module, got none")
    exact = [wish for wish in wishes if wish in paths or not _is_glob(wish)]
    modules = {wish: _find(model, paths, wish) for wish in exact}
    _refuse_same_module(modules)
    tap_of = {id(module): path for path, module in modules.items()}
    answers: dict[str, tuple[str, ...]] = {wish: (wish,) for wish in exact}
    for glob in wishes:
        if glob in answers:
            continue
        matches = [path for path in paths if fnmatchcase(path, glob)]
        if not matches:
            raise InputError(
                f"`layers` has the glob {glob!r}, which matches no module of "
                f"{type(model).__name__}{did_you_mean(glob, paths)}"
            )
        for path in matches:
            tap = tap_of.setdefault(id(paths[path]), path)
            modules.setdefault(tap, paths[path])
        answers[glob] = tuple(dict.fromkeys(tap_of[id(paths[path])] for path in matches))
    return Selection(modules, answers)


def _select_aliases(
    model: nn.Module, paths: Mapping[str, nn.Module], layers: Mapping[str, str]
) -> Selection:
    if not layers:
        raise InputError("`layers` must name at least one module, got an empty mapping")
    modules: dict[str, nn.Module] = {}
    for path, alias in layers.items():
        module = _find(model, paths, _checked(path))
        if _checked(alias) in modules:
            raise InputError(f"`layers` must give each module its own alias, {alias!r} comes twice")
        modules[alias] = module
    _refuse_same_module({path: modules[alias] for path, alias in layers.items()})
    return Selection(modules, {path: (alias,) for path, alias in layers.items()})


def _relus(model: nn.Module, paths: Mapping[str, nn.Module]) -> tuple[str, ...]:
    """The first path of each activation of the rectifying kind."""
    first: dict[int, str] = {}
    for path, module in paths.items():
        if isinstance(module, _RECTIFIERS):
            first.setdefault(id(module), path)
    if not first:
        raise InputError(
            f"`layers` is 'relu', but {type(model).__name__} has no ReLU, GELU or SiLU among its "
            "modules; name its layers"
        )
    return tuple(first.values())


def _checked(wish: object) -> str:
    if not isinstance(wish, str):
        raise InputError(f"{_EXPECTED}, got {wish!r} in it")
    return wish


def _is_glob(wish: str) -> bool:
    return any(sign in wish for sign in "*?[")


def _find(model: nn.Module, paths: Mapping[str, nn.Module], path: str) -> nn.Module:
    if path not in paths:
        raise InputError(
            f"`layers` names {path!r}, which is no module of {type(model).__name__}"
            f"{did_you_mean(path, paths)}"
        )
    return paths[path]


def _refuse_same_module(modules: Mapping[str, nn.Module]) -> None:
    """Calls of one module cannot be told apart by its paths, so it cannot be two taps."""
    seen: dict[int, str] = {}
    for path, module in modules.items():
        first = seen.setdefault(id(module), path)
        if first != path:
            raise InputError(
                f"`layers` names {first!r} and {path!r}, which are one module: name one of them, "
                f"its calls are {first + ':1'!r}, {first + ':2'!r} and so on"
            )
