"""The reference: a page for each public package, written from its ``__all__`` before each build.

A new name, or a new package, needs nothing but to be exported and documented; one that is not
documented is a warning, and ``make docs`` turns warnings into failure.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from docs._ext.documented import alias_docstring, complaints, shell_of
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.nodes import make_refnode
from sphinx.util.typing import stringify_annotation

_LOGGER = logging.getLogger(__name__)

_ROOT = "torchlgg"
_NOT_FOR_READERS = ("cli", "core")
_FIRST = (
    "graphs",
    "signals",
    "losses",
    "activations",
    "nets",
    "data",
    "corruptions",
    "records",
    "metrics",
)


def public_packages() -> list[ModuleType]:
    """The packages with a page: the root, then every room that has public names.

    Returns:
        Modules, in the order of the pages.
    """
    root = importlib.import_module(_ROOT)
    names = [
        found.name
        for found in pkgutil.iter_modules(root.__path__)
        if found.ispkg and found.name not in _NOT_FOR_READERS
    ]
    names.sort(key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    rooms = [importlib.import_module(f"{_ROOT}.{name}") for name in names]
    return [root, *(room for room in rooms if getattr(room, "__all__", None))]


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before the sources are read, and find names by where they are exported."""
    app.connect("builder-inited", _write)
    app.connect("autodoc-process-docstring", _keep_colons, priority=100)  # before napoleon
    app.connect("autodoc-process-signature", _tidy_types)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Sphinx) -> None:
    packages = public_packages()
    for package in packages:
        for sentence in complaints(package):
            _LOGGER.warning("%s", sentence)
    pages = {f"{package.__name__}.rst": _page(package) for package in packages}
    pages["errors.rst"] = _ERRORS
    pages["index.rst"] = _index(packages)
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


_ERRORS = f"""\
Errors
======

.. currentmodule:: {_ROOT}.core

.. autoexception:: {_ROOT}.core.InputError
   :show-inheritance:
"""


def _index(packages: list[ModuleType]) -> str:
    rows = [(f":mod:`{package.__name__}`", _summary(package)) for package in packages]
    pages = "\n".join(f"   {package.__name__}" for package in packages)
    return (
        f"{_heading('Reference', '=')}\nEvery public name, from the docstrings; the examples in "
        "them are run by the tests.\n\n"
        f"{_table(rows)}\n.. toctree::\n   :hidden:\n\n{pages}\n   errors\n"
    )


def _page(package: ModuleType) -> str:
    name = package.__name__
    parts = [
        _heading(name, "="),
        f".. automodule:: {name}\n   :no-members:\n",
        f".. currentmodule:: {name}\n",
        _table(_rows(package)),
    ]
    if name != _ROOT:  # the names of the root are described in their rooms
        for title, names in _groups(package):
            parts.append(_heading(title, "-"))
            parts += [_entry(package, public) for public in names]
    return "\n".join(parts)


def _rows(package: ModuleType) -> Iterator[tuple[str, str]]:
    modules = _shells(package)
    for name in package.__all__:
        if name in modules.values():
            continue
        value = getattr(package, name)
        link = f":func:`{name}`" if inspect.isfunction(value) else f":obj:`{name}`"
        if name in modules:
            link += f" :class:`{modules[name]}`"
        if inspect.isfunction(value) or inspect.isclass(value):
            yield link, _summary(value)
        else:
            yield link, alias_docstring(package, name).partition("\n\n")[0].replace("\n", " ")


def _groups(package: ModuleType) -> Iterator[tuple[str, list[str]]]:
    """Names under headings; the losses by what they are called with, each before its module."""
    modules = _shells(package)
    groups: dict[str, list[str]] = {title: [] for title in _TITLES}
    for name in package.__all__:
        if name not in modules.values():
            title = _title(getattr(package, name), is_loss=name in modules)
            groups[title] += [name, modules[name]] if name in modules else [name]
    return ((title, names) for title, names in groups.items() if names)


_TITLES = (
    "Student and teacher: representations",
    "Student and teacher: predictions",
    "Representations and labels",
    "Functions",
    "Classes",
    "Types",
)


def _title(value: Any, *, is_loss: bool) -> str:
    if is_loss:
        arguments = inspect.signature(value).parameters
        for place, expected in enumerate(("teacher", "teacher_logits", "labels")):
            if expected in arguments and list(arguments).index(expected) == 1:
                return _TITLES[place]
    if inspect.isclass(value):
        return "Classes"
    return "Functions" if inspect.isfunction(value) else "Types"


def _shells(package: ModuleType) -> dict[str, str]:
    """Function to the class that is its shell."""
    classes = (
        value for name in package.__all__ if inspect.isclass(value := getattr(package, name))
    )
    pairs = ((shell_of(cls, package), cls.__name__) for cls in classes)
    return {function.__name__: name for function, name in pairs if function is not None}


def _entry(package: ModuleType, name: str) -> str:
    value = getattr(package, name)
    if inspect.isfunction(value):
        return f".. autofunction:: {name}\n"
    if not inspect.isclass(value):
        text = alias_docstring(package, name).replace("\n", "\n   ")
        shape = repr(value).replace("typing.", "").replace("collections.abc.", "")
        return f".. py:type:: {name}\n   :canonical: {shape}\n\n   {text}\n"
    if issubclass(value, Exception):
        return f".. autoexception:: {name}\n   :show-inheritance:\n"
    hidden = ["extra_repr", "model_config", *getattr(value, "_fields", ())]
    return f".. autoclass:: {name}\n   :members:\n   :exclude-members: {', '.join(hidden)}\n"


def _summary(value: Any) -> str:
    return (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")


def _heading(text: str, rule: str) -> str:
    return f"{text}\n{rule * len(text)}\n"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = [".. list-table::", "   :class: names", ""]
    for name, summary in rows:
        lines += [f"   * - {name}", f"     - {summary}"]
    return "\n".join(lines) + "\n"


def _keep_colons(
    app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Keep napoleon from taking the words before a colon for a type.

    It looks for one in ``Returns:``, in ``Yields:`` and in the first line of a property, but ours
    stand in the annotations.
    """
    if what in ("attribute", "property"):
        lines.insert(0, "\\")  # an escaped line end, which is nothing
    for place, line in enumerate(lines):
        if line in ("Returns:", "Yields:"):
            lines[place : place + 2] = ["", f":{line.lower()} {lines[place + 1].strip()}"]


def _tidy_types(
    app: Sphinx, what: str, name: str, value: Any, options: Any, args: str | None, result: Any
) -> tuple[str, str] | None:
    """The type of the result in the signature; those of records' fields without constraints."""
    hints = app.env.current_document.autodoc_annotations.get(name, {})
    if hasattr(value, "model_fields"):  # float, not Annotated[float, Gt(0), Lt(1)]
        fields = {
            field.name: field.annotation for field in inspect.signature(value).parameters.values()
        }
        plain = typing.get_type_hints(SimpleNamespace(__annotations__=fields))
        hints |= {
            name: stringify_annotation(plain[name], "smart") for name in hints if name in plain
        }
    hint = hints.pop("return", None)
    if args is None or hint in (None, "None") or what not in ("function", "method"):
        return None
    if inspect.isgeneratorfunction(getattr(value, "__wrapped__", None)):  # @contextmanager
        hint = hint.replace("Iterator[", "AbstractContextManager[")
    return args, hint


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """A name by any path it can be imported from: ``torchlgg.capture``, ``InputError``."""
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or not (target.startswith(_ROOT) or "." not in target):
        return None
    domain = env.domains.python_domain
    end = "." + target.rpartition(".")[2]
    homes = [name for name in domain.objects if name.endswith(end) and name.count(".") == 2]
    if len(homes) != 1:
        return None
    found = domain.objects[homes[0]]
    return make_refnode(
        app.builder, node["refdoc"], found.docname, found.node_id, content, homes[0]
    )
