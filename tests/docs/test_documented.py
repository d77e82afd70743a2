"""A public name that does not say what it is has no place in a release."""

from __future__ import annotations

import importlib
import itertools
import sys

import pytest
from docs._ext.documented import complaints, described_arguments
from docs._ext.reference import public_packages

PACKAGES = public_packages()
FRESH = itertools.count()


@pytest.mark.parametrize("package", PACKAGES, ids=[package.__name__ for package in PACKAGES])
def test_everything_public_is_described(package):
    assert complaints(package) == []


def test_every_room_has_a_page():
    names = {package.__name__.rpartition(".")[2] for package in PACKAGES}
    assert names >= {"torchlgg", "graphs", "signals", "losses", "activations", "nets", "data"}
    assert names >= {"records", "metrics", "training", "evaluation", "reports", "recipes"}
    assert "core" not in names


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Makes a package of a public and a private file; told their texts."""

    def make(private, *names):
        name = f"fake{next(FRESH)}"
        folder = tmp_path / name
        folder.mkdir()
        listed = ", ".join(names)
        (folder / "_private.py").write_text(private)
        (folder / "__init__.py").write_text(
            f'"""A package."""\nfrom {name}._private import {listed}\n__all__ = {list(names)!r}\n'
        )
        monkeypatch.syspath_prepend(tmp_path)
        made.append(name)
        return importlib.import_module(name)

    made: list[str] = []
    yield make
    for name in made:
        sys.modules.pop(name)
        sys.modules.pop(f"{name}._private")


DESCRIBED = '''
import dataclasses, typing

Words = str | list[str]
"""What is said."""

def f(x, *, y=1):
    """Does it.

    Args:
        x: the one.
        y (int): the other,
            on two lines.
    """

def g(x):
    """Does it to ``x``."""

class Shell:
    """:func:`f` with its settings kept; see there."""

    def __init__(self, *, y=1):
        pass

    def forward(self, x):
        """The value."""

@dataclasses.dataclass
class Data:
    """A thing.

    Args:
        size: how large.
    """

    size: int

    @property
    def double(self):
        """Twice the size."""

class Pair(typing.NamedTuple):
    """Two.

    Attributes:
        a: one.
        b: two.
    """

    a: int
    b: int

class FakeError(ValueError):
    """It went wrong."""
'''


def test_a_described_package_has_no_complaint(fake):
    names = ("Words", "f", "g", "Shell", "Data", "Pair", "FakeError")
    assert complaints(fake(DESCRIBED, *names)) == []


@pytest.mark.parametrize(
    ("before", "after", "name", "complaint"),
    [
        ('"""Does it to ``x``."""', "pass", "g", "g has no docstring"),
        ("to ``x``", "to x", "g", "g does not describe its argument `x`"),
        ("        x: the one.\n", "", "f", "f does not describe its argument `x`"),
        ("x: the one.", "x:", "f", "f does not describe its argument `x`"),
        (
            'y=1):\n    """Does',
            'y=1, **more):\n    """Does',
            "f",
            "f does not describe its argument `more`",
        ),
        ('"""What is said."""', "", "Words", "Words has no docstring below its assignment"),
        (
            "        size: how",
            "        sizes: how",
            "Data",
            "Data does not describe its argument `size`",
        ),
        ('"""Twice the size."""', "pass", "Data", "Data.double has no docstring"),
        ("        b: two.\n", "", "Pair", "Pair does not describe its argument `b`"),
        ('"""It went wrong."""', "pass", "FakeError", "FakeError has no docstring"),
        ('"""The value."""', "pass", "Shell", "Shell.forward has no docstring"),
        (
            "forward(self, x)",
            "forward(self, z)",
            "Shell",
            "Shell.forward does not describe its argument `z`",
        ),
        (":func:`f` with", "f with", "Shell", "Shell does not describe its argument `y`"),
    ],
)
def test_what_is_not_described_is_named(fake, before, after, name, complaint):
    assert before in DESCRIBED
    package = fake(DESCRIBED.replace(before, after), name, *({"f"} if name == "Shell" else ()))
    assert f"{package.__name__}.{complaint}" in complaints(package)


def test_a_name_that_does_not_exist_is_named(fake):
    package = fake(DESCRIBED, "f")
    package.__all__.append("h")
    assert complaints(package) == [f"{package.__name__}.h stands in __all__ but does not exist"]


def test_a_section_ends_where_the_next_begins():
    text = "It.\n\nArgs:\n    x: one.\n\n        - more: of it.\n\nReturns:\n    y: no argument.\n"
    assert described_arguments(text) == {"x"}
