"""Recipes on scikit-learn's digits, seconds each: to try the tasks without data of one's own."""

from __future__ import annotations

from torchlgg.data import DataConfig
from torchlgg.nets import NetConfig
from torchlgg.recipes._run_config import RunConfig
from torchlgg.training import Classify, Distill, Embed, Robustify, Task, TrainingConfig

_SCHEDULE = TrainingConfig(
    epochs=15,
    batch_size=64,
    nesterov=True,
    schedule="cosine",
    warmup=0.1,
    crop_padding=1,
    flip=False,
)


def _recipe(net: NetConfig, task: Task, *, teacher: bool = False) -> RunConfig:
    return RunConfig(
        data=DataConfig(source="digits"),
        net=net,
        task=task,
        teacher=NetConfig(weights="runs/digits/teacher/model.safetensors") if teacher else None,
        training=_SCHEDULE,
    )


def teacher() -> RunConfig:
    """Digits: a teacher by cross-entropy."""
    return _recipe(NetConfig(name="small_cnn-16"), Classify())


def classify() -> RunConfig:
    """Digits: a small network by cross-entropy."""
    return _recipe(NetConfig(name="small_cnn-3"), Classify())


def hkd() -> RunConfig:
    """Digits: the small network by soft targets of the teacher in runs/digits/teacher."""
    return _recipe(NetConfig(name="small_cnn-3"), Distill(losses=("hkd",)), teacher=True)


def gkd() -> RunConfig:
    """Digits: the small network by the graphs of the teacher in runs/digits/teacher."""
    return _recipe(NetConfig(name="small_cnn-3"), Distill(losses=("gkd",)), teacher=True)


def embed() -> RunConfig:
    """Digits: embeddings of 16 numbers by graph smoothness."""
    return _recipe(NetConfig(name="small_cnn-16", embedding_dim=16, unit_length=True), Embed())


def robustify() -> RunConfig:
    """Digits: smoothness variation over the ReLUs of a small network."""
    return _recipe(NetConfig(name="small_cnn-16"), Robustify())
