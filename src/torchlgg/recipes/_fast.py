"""Recipes for a CPU and a short budget: smaller networks, fewer epochs; none is published.

Warm-up and a cosine instead of steps, because so few epochs leave no time for plateaus; channels
last, because that is faster on most CPUs.
"""

from __future__ import annotations

from dataclasses import replace

from torchlgg.data import DataConfig
from torchlgg.nets import NetConfig
from torchlgg.recipes._run_config import RunConfig
from torchlgg.training import (
    Classify,
    Distill,
    Embed,
    EngineConfig,
    Robustify,
    SmoothnessVariation,
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
        engine=EngineConfig(channels_last=True),
    )


def teacher() -> RunConfig:
    """A teacher: WRN-16-1 by cross-entropy, 20 epochs."""
    config = _recipe(NetConfig(name="wrn16-1"), Classify())
    return replace(config, training=replace(_SCHEDULE, epochs=20))


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
    """Embeddings of length 1 by graph smoothness: WRN-10-1, d = 64."""
    net = NetConfig(name="wrn10-1", embedding_dim=64, unit_length=True)
    config = _recipe(net, Embed())
    # the mean over pairs has a small gradient
    return replace(config, training=replace(_SCHEDULE, learning_rate=1.0))


def embed_16() -> RunConfig:
    """The same with d = 16."""
    config = embed()
    return replace(config, net=replace(config.net, embedding_dim=16))


# The published weight belongs to another network and batch: here it drowns the cross-entropy.
_VARIATION = SmoothnessVariation(gradient_ratio=0.1)


def robustify_r() -> RunConfig:
    """Smoothness variation over the ReLUs of WRN-10-1, a tenth of the cross-entropy's gradient."""
    return _recipe(NetConfig(name="wrn10-1"), Robustify(variation=_VARIATION))


def robustify_pr() -> RunConfig:
    """The same, and Parseval."""
    task = Robustify(variation=_VARIATION, parseval=0.01)
    return _recipe(NetConfig(name="wrn10-1", parseval=True), task)
