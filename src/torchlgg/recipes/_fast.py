"""Recipes for a CPU and a short budget: smaller networks, fewer epochs; none is published.

Warm-up and a cosine instead of steps, because so few epochs leave no time for plateaus.
"""

from __future__ import annotations

from torchlgg.data import DataConfig
from torchlgg.nets import NetConfig
from torchlgg.recipes._run_config import RunConfig
from torchlgg.training import (
    GSL,
    Classify,
    Distill,
    Embed,
    Robustify,
    Task,
    TrainingConfig,
)

_SCHEDULE = TrainingConfig(
    epochs=10,
    batch_size=128,
    learning_rate=0.2,
    nesterov=True,
    schedule="cosine",
    warmup=0.2,
)


def _recipe(net: NetConfig, task: Task, *, teacher: bool = False) -> RunConfig:
    return RunConfig(
        data=DataConfig(),
        net=net,
        task=task,
        teacher=NetConfig(name=None) if teacher else None,
        training=_SCHEDULE,
    )


def teacher() -> RunConfig:
    """A teacher: WRN-16-2 by cross-entropy."""
    return _recipe(NetConfig(name="wrn16-2"), Classify())


def classify() -> RunConfig:
    """A student alone: WRN-10-1 by cross-entropy."""
    return _recipe(NetConfig(name="wrn10-1"), Classify())


def hkd() -> RunConfig:
    """A student by soft targets: WRN-10-1."""
    return _recipe(NetConfig(name="wrn10-1"), Distill(losses=("hkd",)), teacher=True)


def rkd() -> RunConfig:
    """A student by relative distances: WRN-10-1."""
    return _recipe(NetConfig(name="wrn10-1"), Distill(losses=("rkd",)), teacher=True)


def gkd() -> RunConfig:
    """A student by graphs: WRN-10-1."""
    return _recipe(NetConfig(name="wrn10-1"), Distill(losses=("gkd",)), teacher=True)


def embed() -> RunConfig:
    """Embeddings by graph smoothness: WRN-10-1, d = 64."""
    return _recipe(NetConfig(name="wrn10-1", embedding_dim=64), Embed(loss=GSL()))


def robustify_r() -> RunConfig:
    """Smoothness variation over the ReLUs of WRN-10-1."""
    return _recipe(NetConfig(name="wrn10-1"), Robustify())


def robustify_pr() -> RunConfig:
    """Smoothness variation and Parseval: WRN-10-1."""
    return _recipe(NetConfig(name="wrn10-1", parseval=True), Robustify(parseval=0.01))
