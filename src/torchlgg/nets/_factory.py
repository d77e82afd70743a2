"""Networks of one's own, by the name of the function that builds them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from torch import nn

from torchlgg.core import InputError, imported, in_one_line

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

    Its module is imported, from the current directory too.

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
    factory = imported(name, where=where, near=_PACKAGES)
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
        raise InputError(f"{where} failed to build a network: {in_one_line(error)}") from error
    if not isinstance(net, nn.Module):
        raise InputError(f"{where} must return an nn.Module, got {type(net).__name__}")
    return net


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
