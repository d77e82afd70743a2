"""The training settings of the paper, exactly.

Lassance, Gripon, Ortega, *Representing Deep Neural Networks Latent Space Geometries with Graphs*,
Algorithms 14(2):39 (2021), and the three papers that it unites: arXiv 1911.03080 (distillation),
1905.00301 (embeddings), 1805.10133 (robustness).
"""

from __future__ import annotations

from torchlgg.data import DataConfig
from torchlgg.nets import NetConfig
from torchlgg.recipes._run_config import RunConfig
from torchlgg.training import (
    Classify,
    Distill,
    Embed,
    Robustify,
    Task,
    TrainingConfig,
)

_ALL = DataConfig(validation=0.0)  # they trained on all training images and took the last epoch


def _wide_resnet(net: str, task: Task, *, teacher: bool = False) -> RunConfig:
    """SGD, 200 epochs of 128, lr 0.1 x 0.2 at 60, 120, 160; crops and flips."""
    return RunConfig(
        data=_ALL,
        net=NetConfig(name=net),
        task=task,
        teacher=NetConfig(name="wrn28-1") if teacher else None,
        training=TrainingConfig(),
    )


def teacher() -> RunConfig:
    """The teacher of the distillation experiments: WRN-28-1 by cross-entropy."""
    return _wide_resnet("wrn28-1", Classify())


def student() -> RunConfig:
    """Its student alone: WRN-28-0.5 by cross-entropy."""
    return _wide_resnet("wrn28-0.5", Classify())


def hkd() -> RunConfig:
    """Its student by soft targets: weight 16, temperature 4."""
    return _wide_resnet("wrn28-0.5", Distill(losses=("hkd",)), teacher=True)


def rkd() -> RunConfig:
    """Its student by relative distances: weight 25, three taps."""
    return _wide_resnet("wrn28-0.5", Distill(losses=("rkd",)), teacher=True)


def gkd() -> RunConfig:
    """Its student by graphs: weight 25, complete graphs of three taps, p = 1."""
    return _wide_resnet("wrn28-0.5", Distill(losses=("gkd",)), teacher=True)


def gsl() -> RunConfig:
    """Embeddings by graph smoothness, 200 epochs.

    Published are the loss and the epochs. The network, α, the dimension, the batch and the
    optimiser are not: those of the distillation experiments, α = 1 and d = 64 stand in.
    """
    return RunConfig(
        data=_ALL,
        net=NetConfig(name="wrn28-1", embedding_dim=64),
        task=Embed(),
        training=TrainingConfig(epochs=200),
    )


def _preact_resnet(task: Task) -> RunConfig:
    """No augmentation, batch 100, 50 epochs at 0.1 and 50 at 0.001 with a fresh optimiser."""
    return RunConfig(
        data=_ALL,
        net=NetConfig(name="preactresnet18", parseval=_is_parseval(task)),
        task=task,
        training=TrainingConfig(
            epochs=100,
            batch_size=100,
            decay_at=(0.5,),
            decay=0.01,
            fresh_optimizer=True,
            crop_padding=0,
            flip=False,
        ),
    )


def _preact_wide_resnet(task: Task) -> RunConfig:
    """Crops and flips, 60 epochs at 0.1, 60 at 0.02, 40 at 0.004, 40 at 0.0008."""
    return RunConfig(
        data=_ALL,
        net=NetConfig(name="preact_wrn28-10", parseval=_is_parseval(task)),
        task=task,
        training=TrainingConfig(batch_size=100, fresh_optimizer=True),
    )


def _is_parseval(task: Task) -> bool:
    return isinstance(task, Robustify) and task.parseval is not None


_PARSEVAL = Robustify(variation=None, parseval=0.01)
_BOTH = Robustify(parseval=0.01)


def vanilla() -> RunConfig:
    """Robustness on CIFAR-10: PreActResNet-18 by cross-entropy (V)."""
    return _preact_resnet(Classify())


def parseval() -> RunConfig:
    """Robustness on CIFAR-10: Parseval, β = 0.01 (P)."""
    return _preact_resnet(_PARSEVAL)


def regularized() -> RunConfig:
    """Robustness on CIFAR-10: smoothness variation over 17 ReLUs, m = 2, γ = 0.01 (R)."""
    return _preact_resnet(Robustify())


def regularized_parseval() -> RunConfig:
    """Robustness on CIFAR-10: both (PR)."""
    return _preact_resnet(_BOTH)


def cifar100_vanilla() -> RunConfig:
    """Robustness on CIFAR-100: pre-activation WRN-28-10 by cross-entropy (V)."""
    return _preact_wide_resnet(Classify())


def cifar100_parseval() -> RunConfig:
    """Robustness on CIFAR-100: Parseval (P)."""
    return _preact_wide_resnet(_PARSEVAL)


def cifar100_regularized() -> RunConfig:
    """Robustness on CIFAR-100: smoothness variation (R)."""
    return _preact_wide_resnet(Robustify())


def cifar100_regularized_parseval() -> RunConfig:
    """Robustness on CIFAR-100: both (PR)."""
    return _preact_wide_resnet(_BOTH)
