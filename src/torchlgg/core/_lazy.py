"""Names that are imported when they are first used, so that the command starts without torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The module-level ``__getattr__`` and ``__dir__`` of a package whose names load on first use.

    Args:
        package: the package's ``__name__``.
        homes: public name to the module, relative to the package, that defines it.

    Returns:
        ``(__getattr__, __dir__)`` (PEP 562).

    Example:
        >>> getattr_, dir_ = lazy_names("torchlgg.core", {"did_you_mean": "_errors"})
        >>> getattr_("did_you_mean").__name__
        'did_you_mean'
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    def names() -> list[str]:
        return sorted(homes)

    return load, names
