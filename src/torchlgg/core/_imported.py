"""What users name as ``package.module:attribute``: networks and recipes of their own."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from functools import reduce
from typing import Any

from torchlgg.core._errors import InputError, did_you_mean


def imported(name: str, *, where: str, near: Sequence[str] = ()) -> Any:
    """What a name such as ``package.module:attribute`` stands for; its module is imported.

    The module is found as ``python -m`` would find it: the current directory is put first on
    ``sys.path``, and stays there, for what the module imports later.

    Args:
        name: a dotted module, a colon, and an attribute, dotted where it lies in a class.
        where: how the error sentence begins.
        near: words that stand before the colon in other names, to be offered for a module that
            cannot be found.

    Raises:
        InputError: no such module or attribute, or a module that fails as it is imported, in its
            own words.

    Example:
        >>> imported("pathlib:PurePath.joinpath", where="`name`").__name__
        'joinpath'
        >>> imported("pathlib:Paht", where="`name`")
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: `name`: the module 'pathlib' has no 'Paht'; did you ...
    """
    module_name, _, path = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a stranger's module does
        absent = isinstance(error, ModuleNotFoundError) and error.name is not None
        if absent and f"{module_name}.".startswith(f"{error.name}."):  # type: ignore[attr-defined]
            hint = did_you_mean(module_name, near)
            advice = hint if "did you mean" in hint else "; install it, or go to its folder"
            raise InputError(
                f"{where} asks for the module {module_name!r}, which cannot be found{advice}"
            ) from None
        raise InputError(
            f"{where} asks for the module {module_name!r}, which fails as it is imported: "
            f"{in_one_line(error)}"
        ) from error
    try:
        return reduce(getattr, path.split("."), module)
    except AttributeError:
        known = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise InputError(
            f"{where}: the module {module_name!r} has no {path!r}{did_you_mean(path, known)}"
        ) from None


def in_one_line(error: Exception) -> str:
    """The kind of an error and what it says, in one line.

    Example:
        >>> in_one_line(RuntimeError("no room"))
        'RuntimeError: no room'
    """
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
