"""What a public name has to say of itself, and a sentence for each one that does not.

A public function, class, method or property needs a docstring, and each argument a description: a
line under ``Args:`` (``Attributes:`` of a named tuple), or, where a docstring is so short that it
has no such section, its name in double backquotes. A class whose docstring begins with a
``:func:`` is the shell of that function, and its arguments are described there. A public type
alias needs a string below its assignment.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

_ARGUMENT_SECTIONS = ("Args", "Attributes")


def complaints(package: ModuleType) -> list[str]:
    """Everything that the public names of a package leave unsaid.

    Args:
        package: a module with ``__all__``; a name that it only passes on from the package of
            another is asked there too.

    Returns:
        One sentence each, beginning with the dotted name; empty where all is said.
    """
    if not inspect.getdoc(package):
        return [f"{package.__name__} has no docstring"]
    found: list[str] = []
    for name in package.__all__:
        path = f"{package.__name__}.{name}"
        if not hasattr(package, name):
            found.append(f"{path} stands in __all__ but does not exist")
            continue
        value = getattr(package, name)
        if inspect.isclass(value):
            found += _of_class(value, path, package)
        elif inspect.isroutine(value):
            found += _of_function(value, path)
        elif not alias_docstring(package, name):
            found.append(f"{path} has no docstring below its assignment")
    return list(dict.fromkeys(found))


def described_arguments(docstring: str) -> set[str]:
    """The arguments that a Google docstring describes.

    Args:
        docstring: as written.

    Returns:
        The names with a description under ``Args:`` or ``Attributes:``; those in double
        backquotes where there is no such section.
    """
    lines = inspect.cleandoc(docstring).splitlines()
    headings = {f"{section}:" for section in _ARGUMENT_SECTIONS}
    starts = [place for place, line in enumerate(lines) if line in headings]
    if not starts:
        return set(re.findall(r"``(\w+)``", docstring))
    described: dict[str, str] = {}
    for start in starts:
        argument = None
        for line in lines[start + 1 :]:
            if line and not line.startswith(" "):
                break
            if match := re.fullmatch(r" {4}\*{0,2}(\w+)(?: \([^)]*\))?:(.*)", line):
                argument, described[match[1]] = match[1], match[2].strip()
            elif argument is not None:
                described[argument] += line.strip()
    return {argument for argument, text in described.items() if text}


def shell_of(cls: type, package: ModuleType) -> Callable[..., Any] | None:
    """The function that a class is the shell of, if its docstring begins by naming one.

    Args:
        cls: the class.
        package: where the function is public too.
    """
    match = re.match(r":func:`~?(?:[\w.]+\.)?(\w+)`", cls.__doc__ or "")
    function = getattr(package, match[1], None) if match else None
    return function if inspect.isfunction(function) else None


def alias_docstring(package: ModuleType, name: str) -> str:
    """The string below the assignment of a type alias, in the file that assigns it.

    Args:
        package: the package that exports the alias.
        name: its name.

    Returns:
        The cleaned text; empty where there is none.
    """
    path = package.__name__
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and any(part.name == name for part in node.names):
            path = node.module or path
    statements = _tree(path).body
    for statement, following in itertools.pairwise(statements):
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = following.value if isinstance(following, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                return inspect.cleandoc(value.value)
    return ""


def _tree(path: str) -> ast.Module:
    spec = importlib.util.find_spec(path)
    if spec is None or spec.origin is None:
        return ast.Module(body=[], type_ignores=[])
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _of_function(function: Any, path: str, also: frozenset[str] = frozenset()) -> Iterator[str]:
    docstring = function.__doc__
    if not docstring:
        yield f"{path} has no docstring"
        return
    described = described_arguments(docstring) | also
    for argument in inspect.signature(function).parameters:
        if argument not in described and argument not in ("self", "cls"):
            yield f"{path} does not describe its argument `{argument}`"


def _of_class(cls: type, path: str, package: ModuleType) -> Iterator[str]:
    if not cls.__doc__:
        yield f"{path} has no docstring"
        return
    function = shell_of(cls, package)
    also = frozenset(described_arguments(function.__doc__ or "") if function else ())
    own = [base for base in cls.__mro__ if _is_own(base, package)]
    protocol = getattr(cls, "_is_protocol", False)  # its __init__ is typing's
    if not protocol and (any("__init__" in vars(b) for b in own) or issubclass(cls, tuple)):
        yield from _of_function(cls, path, also)
    for base in own:
        for name, member in vars(base).items():
            if name.startswith("_"):
                continue
            if isinstance(member, classmethod | staticmethod):
                member = member.__func__
            if isinstance(member, property):
                if not member.__doc__:
                    yield f"{path}.{name} has no docstring"
            elif inspect.isfunction(member) and _is_own(member, package):
                yield from _of_function(member, f"{path}.{name}", also)


def _is_own(thing: Any, package: ModuleType) -> bool:
    """Whether a class or method was written in the library, not in one that it builds on."""
    return bool(thing.__module__.partition(".")[0] == package.__name__.partition(".")[0])
