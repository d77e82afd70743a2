"""The card of a trained network."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from torchlgg.core import InputError
from torchlgg.recipes import recipe, to_plain
from torchlgg.records import (
    DataDescription,
    Environment,
    Interval,
    Measurement,
    Result,
    RunInfo,
)
from torchlgg.reports import model_card

ENVIRONMENT = Environment(
    torchlgg="0.1.0",
    python="3.12.1",
    packages={"torch": "2.9.0", "numpy": "2.0"},
    system="Linux",
    cpu="Some CPU",
    cpu_count=2,
)
CONFIG = {
    "data": {"source": "cifar10", "limit": 10000, "validation": 0.1},
    "net": {"name": "wrn28-0.5", "weights": None, "parseval": False, "licence": None},
    "task": {"kind": "distill", "losses": {"gkd": {"weight": 25.0, "tiny": 1e-05}}},
    "teacher": {"name": "wrn28-1", "weights": "t.safetensors", "licence": "CC BY 4.0"},
    "training": {"epochs": 200, "seed": 3},
    "recipe": "lassance2021/gkd",
}
WILSON = Interval(low=9.2, high=10.2, confidence=0.95, method="Wilson")
ERROR = Measurement(
    name="error", value=9.7, unit="%", count=10000, interval=WILSON, protocol="All test images."
)
DATA = DataDescription(source="cifar10 test", counts={"test": 10000})
RESULT = Result(
    task="distill",
    subject="student",
    data=DATA,
    measurements=[ERROR],
    tags={"network": "wrn28-0.5"},
)


def info(config=None, **changes):
    config = CONFIG | (config or {})
    fields = {
        "command": "lgg train lassance2021/gkd --out 'runs/a b'",
        "created": "2026-01-01T00:00:00+00:00",
        "seeds": (3,),
        "config": config,
        "environment": ENVIRONMENT,
    }
    return RunInfo(**(fields | changes))


def test_a_card_says_all_that_the_run_recorded():
    card = model_card(info(commit="a" * 40), [RESULT])
    assert card.startswith(
        "# wrn28-0.5, trained on cifar10\n\nA network `wrn28-0.5`, by the recipe"
    )
    assert "recipe `lassance2021/gkd`: task `distill`, losses `gkd` beside" in card
    assert 'from torchlgg.nets import open_net\nnet = open_net("model.safetensors")\n' in card
    assert "| student | error (%) | 9.70 [9.20, 10.20] | 10000 |" in card
    assert "error: [95 % Wilson interval]. All test images." in card
    assert "- Images: cifar10, at most 10000 of its training images, 10 % of them held out" in card
    assert "- Teacher: `wrn28-1`, from `t.safetensors`; licence of its weights: CC BY 4.0\n" in card
    assert "$ lgg train lassance2021/gkd --out 'runs/a b'\n" in card
    assert "seed 3, with torchlgg 0.1.0, Python 3.12.1, torch 2.9.0, on Some CPU" in card
    assert f"source {'a' * 40}" in card
    assert card.endswith("\n")
    assert not card.endswith("\n\n")


def test_the_settings_are_all_there_and_can_be_read_back():
    card = model_card(info(), [])
    [block] = re.findall(r"```yaml\n(.*?)\n```", card, flags=re.DOTALL)
    assert yaml.safe_load(block) == {key: CONFIG[key] for key in CONFIG if key != "recipe"}


@pytest.mark.parametrize("name", ["fast/gkd", "lassance2021/cifar100-pr", "finetune"])
def test_the_settings_are_a_recipe(tmp_path, name):
    config = recipe(name)
    [block] = re.findall(
        r"```yaml\n(.*?)\n```", model_card(info(to_plain(config)), []), flags=re.DOTALL
    )
    (tmp_path / "again.yaml").write_text(block)
    assert recipe(str(tmp_path / "again.yaml")) == replace(config, recipe="again")


def test_a_teacher_that_was_not_used_is_no_origin():
    card = model_card(info({"task": {"kind": "classify"}}), [])
    assert "- No other weights: it began with random ones." in card


def test_the_same_weights_are_promised_on_the_processor_only():
    said = "the same settings give the same weights"
    assert said in model_card(info(), [])
    gpu = ENVIRONMENT.model_copy(update={"gpus": ("Some GPU",)})
    card = model_card(info(environment=gpu), [])
    assert said not in card
    assert "on Some GPU." in card


def test_a_licence_that_nobody_gave_is_not_given():
    teacher = CONFIG["teacher"] | {"licence": None}
    assert "licence of its weights: not given\n" in model_card(info({"teacher": teacher}), [])


@pytest.mark.parametrize("teacher", [None, {"name": None, "weights": None}])
def test_random_weights_and_no_teacher(teacher):
    card = model_card(info({"teacher": teacher, "task": {"kind": "classify"}}), [])
    assert "- No other weights: it began with random ones." in card
    assert "licence" not in card.partition("## Train it again")[0]
    assert "task `classify`.\n" in card


def test_finetuned_weights_have_a_licence_too():
    net = {"name": None, "weights": "imagenet.pth", "licence": "BSD-3-Clause"}
    card = model_card(info({"net": net, "teacher": None}), [RESULT])
    assert card.startswith("# wrn28-0.5, ")  # as the results say
    said = "- Weights that it began with: `imagenet.pth`; licence of these weights: BSD-3-Clause\n"
    assert said in card


def test_embeddings_and_parseval():
    net = {"name": "wrn10-1", "embedding_dim": 64, "unit_length": True, "parseval": True}
    card = model_card(info({"net": net}), [])
    assert "`wrn10-1`, the Parseval variant, whose output is an embedding of 64 numbers" in card
    assert "numbers of length one, by the recipe" in card


def test_a_network_of_ones_own_has_to_be_named():
    card = model_card(info({"net": {"name": "mine.nets:tiny"}}), [], weights="best.safetensors")
    assert 'net = open_net("best.safetensors", name="mine.nets:tiny")' in card
    assert "name=" not in model_card(info({"net": {"name": "timm:resnet18"}}), [])


def test_text_that_is_markup_stays_text_in_the_table():
    result = RESULT.model_copy(update={"subject": "a | b"})
    assert "| a \\| b | error (%) |" in model_card(info(), [result])


def test_a_run_without_a_network_has_no_card():
    with pytest.raises(InputError, match="must be of a run of `lgg train` or `lgg distill`, got"):
        model_card(info().model_copy(update={"config": {"epochs": 2}}), [])
