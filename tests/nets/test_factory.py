"""Networks of one's own."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests.nets.factories import Own
from torchlgg.core import InputError
from torchlgg.nets import build_net


def built(attribute):
    return build_net(f"tests.nets.factories:{attribute}", num_classes=7, in_channels=5)


def refusal(name):
    with pytest.raises(InputError) as error:
        build_net(name, num_classes=7, in_channels=5)
    sentence = str(error.value)
    assert sentence.startswith("build_net: `name` ")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("attribute", "shape"),
    [("both", (7, 5)), ("classes_only", (7, 3)), ("by_keywords", (7, 5))],
)
def test_a_function_gets_what_it_takes(attribute, shape):
    assert built(attribute)[-1].weight.shape == shape


def test_a_function_that_takes_nothing_gets_nothing():
    assert list(built("neither").parameters()) == []
    assert built("by_position").out_features == 4


def test_a_class_and_what_is_in_it():
    assert isinstance(built("Own"), Own)
    assert built("Own").linear.weight.shape == (7, 5)
    assert built("Own.wide").linear.weight.shape == (7, 100)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no_such_package.nets:tiny", "asks for the module 'no_such_package.nets', which cannot"),
        ("tests.nets.no_such:tiny", "asks for the module 'tests.nets.no_such', which cannot be"),
        ("tests.nets.factories:bth", "has no 'bth'; did you mean 'both'"),
        ("tests.nets.factories:Own.wid", "has no 'Own.wid'; did you mean 'Own'"),
        ("tests.nets.factories:number", "must be a function that builds a network, got int"),
        ("tests.nets.factories:network", "is a network, not a function that builds one"),
        ("tests.nets.factories:no_network", "must return an nn.Module, got Tensor"),
        (
            "tests.nets.factories:fails",
            "failed to build a network: RuntimeError: no room for 7 classes",
        ),
    ],
)
def test_what_cannot_be_built_is_one_sentence(name, sentence):
    assert sentence in refusal(name)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A current directory that Python does not know yet."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    return tmp_path


def test_the_current_directory_is_found(elsewhere):
    (elsewhere / "nets_of_mine.py").write_text(
        "from torch import nn\ndef tiny(num_classes):\n    return nn.Linear(1, num_classes)\n"
    )
    assert str(elsewhere) not in sys.path
    try:
        assert build_net("nets_of_mine:tiny", num_classes=3).out_features == 3
    finally:
        sys.modules.pop("nets_of_mine", None)
    assert sys.path[0] == str(elsewhere)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def tiny(:", "SyntaxError: "),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_fails_says_so_itself(elsewhere, text, sentence):
    (elsewhere / "broken_nets.py").write_text(text)
    said = refusal("broken_nets:tiny")
    assert f"'broken_nets', which fails as it is imported: {sentence}" in said
