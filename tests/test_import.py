"""What an import costs, and that the public names are where the documentation says."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import torchlgg

OPTIONAL = ("torchvision", "timm", "pyarrow", "sklearn", "PIL", "scipy", "matplotlib", "pydantic")


def modules_after(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_the_public_names_cost_torch_and_nothing_else() -> None:
    loaded = modules_after(f"from torchlgg import {', '.join(torchlgg.__all__)}")
    assert "torch" in loaded
    assert not loaded & set(OPTIONAL)


def test_the_root_alone_costs_nothing() -> None:
    assert "torch" not in modules_after("import torchlgg")


def test_every_public_name_is_that_of_its_package() -> None:
    for name in torchlgg.__all__:
        value = getattr(torchlgg, name)
        home = importlib.import_module(".".join(value.__module__.split(".")[:2]))
        assert getattr(home, name) is value
        assert name in home.__all__
    assert set(torchlgg.__all__) <= set(dir(torchlgg))


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'torchlgg' has no attribute 'laplacien'"):
        _ = torchlgg.laplacien
    with pytest.raises(AttributeError, match=r"module 'torchlgg\.core' has no attribute 'utils'"):
        _ = importlib.import_module("torchlgg.core").utils


@pytest.mark.parametrize("package", ["torchlgg", "torchlgg.core"])
def test_lazy_names_are_listed_twice_alike(package: str) -> None:
    """``__all__`` is what type checkers see; ``__getattr__`` must serve all of it."""
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert len(set(module.__all__)) == len(module.__all__)  # the linter keeps their order
