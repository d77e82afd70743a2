"""What distillation can be told, in code and in words."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from torchlgg.core import InputError
from torchlgg.graphs import GraphSpec
from torchlgg.training import GKD, HKD, SP, Distill, parse_losses, parse_numbers

WEIGHTS = {
    "hkd": 16.0,
    "dkd": 1.0,
    "dist": 1.0,
    "rkd": 25.0,
    "rkd-a": 50.0,
    "sp": 3000.0,
    "pkt": 30000.0,
    "cc": 100.0,
    "at": 3000.0,
    "gkd": 25.0,
}
NAMES = ", ".join(map(repr, WEIGHTS))


@pytest.mark.parametrize(
    ("text", "losses"),
    [
        ("none", ()),
        ("gkd", ("gkd",)),
        ("hkd+gkd", ("hkd", "gkd")),
        (" rkd + hkd ", ("rkd", "hkd")),
        ("+".join(WEIGHTS), tuple(WEIGHTS)),
    ],
)
def test_losses_in_words(text: str, losses: tuple[str, ...]) -> None:
    assert parse_losses(text) == losses


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gdk", f"`losses` must be one of {NAMES}; got 'gdk'; did you mean 'gkd'"),
        ("none+gkd", "got 'none'"),
        ("", "got ''"),
        ("gkd+hkd+gkd", r"each loss once, got gkd \+ hkd \+ gkd"),
    ],
)
def test_losses_that_are_none(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_losses(text)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gdk=1"], "`--weight` names the loss 'gdk'; did you mean 'gkd'"),
        (["gkd"], "must look like NAME=NUMBER, such as gkd=25; got 'gkd'"),
        (["gkd=much"], "got 'gkd=much'"),
        (["gkd=1", "gkd=2"], "names 'gkd' twice"),
    ],
)
def test_numbers_that_are_none(words: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_numbers(words, option="--weight")


def test_weights_are_the_published_ones_unless_given() -> None:
    config = Distill(losses=tuple(WEIGHTS), weights={"sp": 7.0, "hkd": 0.5})
    assert {term.name: term.weight for term in config.losses} == WEIGHTS | {"sp": 7.0, "hkd": 0.5}
    assert config.names == tuple(WEIGHTS)
    assert all(term.gradient_ratio is None for term in config.losses)


def test_names_and_terms_mix() -> None:
    graphs = GKD(spec=GraphSpec.graph_kd(5), power=3, weight=2.0)
    config = Distill(losses=("hkd", graphs), weights={"gkd": 4.0})
    assert config.losses == (HKD(), replace(graphs, weight=4.0))
    assert config == Distill(losses=(HKD(), replace(graphs, weight=4.0)))
    with pytest.raises(InputError, match=r"each loss once, got gkd \+ gkd"):
        Distill(losses=("gkd", graphs))


def test_what_is_replaced_and_what_stays() -> None:
    config = Distill(losses=("hkd", GKD(power=2)), weights={"hkd": 3.0})
    assert replace(config, weights={"gkd": 9.0}).losses == (
        HKD(weight=3.0),
        GKD(power=2, weight=9.0),
    )
    assert replace(config, student_taps=("pool",)).losses == config.losses
    assert replace(config, losses=("sp",)).losses == (SP(),)
    assert replace(config, gradient_ratios={"hkd": 1.0}).term("hkd").gradient_ratio == 1.0


def test_the_record_holds_every_setting_that_is_used_and_no_other() -> None:
    found = asdict(Distill(losses=("hkd", "rkd-a"), gradient_ratios={"hkd": 2.0}))
    assert found["losses"] == (
        {"name": "hkd", "weight": 16.0, "gradient_ratio": 2.0, "temperature": 4.0},
        {"name": "rkd-a", "weight": 50.0, "gradient_ratio": None, "taps": "all"},
    )
    assert set(found) == {"losses", "student_taps", "teacher_taps", "pair_taps"}


def test_sentences() -> None:
    for weights, sentence in (
        ({"gdk": 1.0}, "`weights` names 'gdk', which is not summed; did you mean 'gkd'"),
        ({"hkd": 1.0}, "`weights` names 'hkd', which is not summed"),
        ({"gkd": 0.0}, "the `weight` of gkd must be positive, got 0.0"),
        ({"gkd": float("nan")}, "the `weight` of gkd must be positive, got nan"),
    ):
        with pytest.raises(InputError, match=sentence):
            Distill(losses=("gkd",), weights=weights)
    with pytest.raises(InputError, match="`weights` names 'gkd', which is not summed; no loss is"):
        Distill(losses=(), weights={"gkd": 1.0})
    with pytest.raises(InputError, match="`gradient_ratios` names 'sp', which is not summed"):
        Distill(gradient_ratios={"sp": 1.0})
    with pytest.raises(InputError, match="the `gradient_ratio` of gkd must be positive, got -1"):
        Distill(gradient_ratios={"gkd": -1.0})
    with pytest.raises(InputError, match="'gkd' has a weight and a gradient ratio"):
        Distill(weights={"gkd": 1.0}, gradient_ratios={"gkd": 1.0})
