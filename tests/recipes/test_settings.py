"""Configurations as plain values, words, YAML and code, and back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from torchlgg.core import InputError
from torchlgg.graphs import GraphSpec
from torchlgg.nets import NetConfig
from torchlgg.recipes import (
    RunConfig,
    from_plain,
    recipe,
    recipe_names,
    to_plain,
    with_settings,
)
from torchlgg.training import (
    DKD,
    GKD,
    Classify,
    Distill,
    Embed,
    Robustify,
    term_kinds,
)

EVERYTHING = RunConfig(
    data=recipe("fast/gkd").data,
    net=NetConfig(name="small_cnn"),
    teacher=NetConfig(name="wrn16-1", weights="teacher.safetensors"),
    task=Distill(
        losses=(*(kind() for name, kind in term_kinds().items() if name not in ("gkd", "dkd")),
                GKD(spec=GraphSpec.graph_kd(7), power=2, taps=("pool",)), DKD(beta=2.0)),
        gradient_ratios={"sp": 0.5},
        student_taps=("stage1", "pool"),
        pair_taps="end",
    ),
)  # fmt: skip


@pytest.mark.parametrize("name", [*recipe_names(), "everything"])
def test_plain_values_come_back(name: str) -> None:
    config = EVERYTHING if name == "everything" else recipe(name)
    plain = to_plain(config)
    assert from_plain(json.loads(json.dumps(plain))) == config
    assert from_plain(yaml.safe_load(yaml.safe_dump(plain, sort_keys=False))) == config


def test_every_setting_is_written_out() -> None:
    plain = to_plain(recipe("lassance2021/gkd"))
    assert plain["task"]["losses"]["gkd"]["spec"] == {
        **plain["task"]["losses"]["gkd"]["spec"], "similarity": "cosine", "k": None,
    }  # fmt: skip
    assert plain["training"]["decay_at"] == [0.3, 0.6, 0.8]
    assert plain["recipe"] == "lassance2021/gkd"


def test_words_change_one_setting_each() -> None:
    base = recipe("fast/gkd")
    config = with_settings(
        base,
        [
            "training.epochs=3",
            "training.epochs=4",
            "task.losses.gkd.weight=10",
            "task.losses.hkd={temperature: 2}",
            "data.mean=[0.5, 0.5, 0.5]",
            "data.std=[0.2, 0.2, 0.2]",
            "net.name=wrn10-0.5",
        ],
    )
    assert (config.training.epochs, config.net.name) == (4, "wrn10-0.5")
    assert (config.task.term("gkd").weight, config.task.term("hkd").temperature) == (10.0, 2.0)
    assert config.data.mean == (0.5, 0.5, 0.5)
    assert base == recipe("fast/gkd")
    assert with_settings(base, ["task.losses=[hkd, sp]"]).task.names == ("hkd", "sp")
    assert with_settings(base, ["task.losses=[]"]).task.names == ()
    # another kind of task leaves nothing of the one before
    assert with_settings(base, ["task.kind=classify"]).task == Classify()
    embed = with_settings(base, ["task.kind=embed", "task.loss.alpha=2", "net.embedding_dim=16"])
    assert (embed.task, embed.net.embedding_dim) == (Embed(loss=embed.task.loss), 16)
    assert embed.task.loss.alpha == 2.0
    parseval = with_settings(base, ["task={kind: robustify, variation: null, parseval: 0.01}"])
    assert parseval.task == Robustify(variation=None, parseval=0.01)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("training.epoch=3", "`training.epoch` is no setting; did you mean 'epochs'"),
        ("trainin.epochs=3", "`trainin` is no setting; did you mean 'training'"),
        ("training.epochs=many", "`training.epochs`: input should be a valid integer"),
        ("training.epochs=true", "`training.epochs` is no yes or no; got true"),
        ("training.epochs=0", "`training`: `epochs` must be at least 1, got 0"),
        ("training.epochs", "`--set` must look like NAME=VALUE"),
        ("training=3", "`training` must be a mapping of settings, got 3"),
        ("training.schedule=cosin", "`training.schedule`: input should be 'steps' or 'cosine'"),
        ("task.losses.gdk.weight=1", "`task.losses` names the loss 'gdk'; did you mean 'gkd'"),
        ("task.losses=gkd", "`task.losses` must be a list of names, or a mapping"),
        ("task.losses.gkd.powr=2", "`task.losses.gkd.powr` is no setting; did you mean 'power'"),
        ("task.losses.gkd.spec.similarity=cosin", "`task.losses.gkd.spec.similarity`"),
        ("task.losses.gkd.weight=-1", "the `weight` of gkd must be positive"),
        ("task.kind=distil", "`task.kind` is 'distil'; did you mean 'distill'"),
        ("task=3", "`task` must be a mapping with a `kind`"),
        ("net.weights=[1]", "`net.weights`: input should be a valid string"),
        ("data.validation=1.5", "`data`: `validation` must be a fraction"),
        ("training.epochs=[", "the value cannot be read as YAML"),
    ],
)
def test_bad_words(word: str, sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        with_settings(recipe("fast/gkd"), [word])
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(InputError, match="`net` is not set, and has no default"):
        from_plain({"data": {"source": "digits"}})


def test_yaml(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: fast/gkd\ntraining: {epochs: 2}\ntask: {losses: [hkd]}\n")
    config = recipe(str(path))
    assert (config.training.epochs, config.task.names, config.recipe) == (2, ("hkd",), "mine")
    assert config.training.learning_rate == recipe("fast/gkd").training.learning_rate

    path.write_text(yaml.safe_dump(to_plain(recipe("lassance2021/pr")) | {"recipe": None}))
    assert recipe(str(path)).task == recipe("lassance2021/pr").task
    for text, sentence in (
        ("training: [", r"is no YAML \(line"),
        ("- 3", "must be a mapping of settings"),
        ("recipe: fast/gdk", "did you mean 'fast/gkd'"),
        ("recipe: fast/gkd\nnett: {name: x}", "`nett` is no setting; did you mean 'net'"),
        ("!!python/object/apply:os.system ['exit 3']", "is no YAML"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=sentence):
            recipe(str(path))
    with pytest.raises(InputError, match="cannot read the recipe"):
        recipe(str(tmp_path / "absent.yaml"))
    other = tmp_path / "other.yaml"
    path.write_text(f"recipe: {other}")
    other.write_text(f"recipe: {path}")
    with pytest.raises(InputError, match=r"mine.yaml' begins from itself"):
        recipe(str(path))


def test_a_function_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "my_recipes.py").write_text(
        "from torchlgg.recipes import recipe, with_settings\n"
        "def short():\n    return with_settings(recipe('fast/gkd'), ['training.epochs=1'])\n"
        "def wrong():\n    return 3\n"
    )
    assert recipe("my_recipes:short").training.epochs == 1
    with pytest.raises(InputError, match="must return a RunConfig, got int"):
        recipe("my_recipes:wrong")
    with pytest.raises(InputError, match="has no 'shrot'; did you mean 'short'"):
        recipe("my_recipes:shrot")
    with pytest.raises(InputError, match="module 'my_recipe', which cannot be found"):
        recipe("my_recipe:short")
    (tmp_path / "broken_recipes.py").write_text("1 / 0")
    with pytest.raises(InputError, match="fails as it is imported: ZeroDivisionError"):
        recipe("broken_recipes:short")


def test_names() -> None:
    with pytest.raises(InputError, match="there is no recipe 'fast/gk'; did you mean 'fast/gkd'"):
        recipe("fast/gk")
    for name, line in recipe_names().items():
        assert line.endswith("."), name
