"""Networks of one's own, by the name of the function that builds them."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from functools import reduce
from typing import Any

from torch import nn

from torchlgg.core import InputError, did_you_mean

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FACTORY = re.compile(f"({_DOTTED}):({_DOTTED})")
_PACKAGES = ("torchvision", "timm")


def is_factory(name: str) -> bool:
    """Whether a network's name is that of a function of one's own, ``package.module:function``.

    Example:
        >>> is_factory("my.nets:tiny"), is_factory("timm:resnet18"), is_factory("wrn28-1")
        (True, False, False)
    """
    match = _FACTORY.fullmatch(name)
    return match is not None and match[1] not in _PACKAGES


def build_own(name: str, *, num_classes: int, in_channels: int) -> nn.Module:
    """A network that a function of one's own builds.

    The module is found as ``python -m`` would find it: the current directory is put first on
    ``sys.path``, and stays there, for what the module imports later.

    Args:
        name: ``package.module:function``; a class does as well, and ``module:Class.method``.
        num_classes: passed on where the function takes an argument of this name.
        in_channels: passed on where the function takes an argument of this name.

    Returns:
        What the function returned.

    Raises:
        InputError: there is no such module or attribute, it cannot be called, it failed, or it
            returned no network.

    Example:
        >>> build_own("torch.nn:Identity", num_classes=10, in_channels=3)
        Identity()
    """
    where = f"build_net: `name` {name!r}"
    module_name, _, path = name.partition(":")
    factory = _imported(module_name, path, where)
    if isinstance(factory, nn.Module):
        raise InputError(
            f"{where} is a network, not a function that builds one; write a function that "
            "returns it"
        )
    if not callable(factory):
        raise InputError(
            f"{where} must be a function that builds a network, got {type(factory).__name__}"
        )
    given = {"num_classes": num_classes, "in_channels": in_channels}
    try:
        net = factory(**{key: given[key] for key in given if _takes(factory, key)})
    except Exception as error:  # whatever a stranger's code does
        raise InputError(f"{where} failed to build a network: {_words(error)}") from error
    if not isinstance(net, nn.Module):
        raise InputError(f"{where} must return an nn.Module, got {type(net).__name__}")
    return net


def _imported(module_name: str, path: str, where: str) -> Any:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a stranger's module does
        absent = isinstance(error, ModuleNotFoundError) and error.name is not None
        if absent and f"{module_name}.".startswith(f"{error.name}."):  # type: ignore[attr-defined]
            near = did_you_mean(module_name, _PACKAGES)
            advice = near if "did you mean" in near else "; install it, or go to its folder"
            raise InputError(
                f"{where} asks for the module {module_name!r}, which cannot be found{advice}"
            ) from None
        raise InputError(
            f"{where} asks for the module {module_name!r}, which fails as it is imported: "
            f"{_words(error)}"
        ) from error
    try:
        return reduce(getattr, path.split("."), module)
    except AttributeError:
        known = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise InputError(
            f"{where}: the module {module_name!r} has no {path!r}{did_you_mean(path, known)}"
        ) from None


def _takes(factory: Callable[..., Any], argument: str) -> bool:
    """Whether a function takes an argument of this name, be it by ``**kwargs``."""
    try:
        parameters = inspect.signature(factory).parameters
    except (ValueError, TypeError):  # some of C have no signature
        return False
    found = parameters.get(argument)
    if found is not None:
        return found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def _words(error: Exception) -> str:
    """The error in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
