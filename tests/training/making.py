"""Small networks and runs for the tests of the engine."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torchlgg.data import ImageSource
from torchlgg.nets import build_net
from torchlgg.training import (
    GKD,
    Distill,
    EngineConfig,
    EpochReport,
    Objective,
    TrainingConfig,
    TrainingState,
    fit,
)

CONFIG = TrainingConfig(epochs=2, batch_size=48, crop_padding=1, learning_rate=0.05)
DISTILLATION = Distill(losses=("hkd", GKD(gradient_ratio=1.0)))


class Plain(nn.Module):
    """A student without batch norm, which draws random numbers if asked to."""

    auto_taps = ("first", "second", "pool")

    def __init__(self, *, dropout: float = 0.0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(inplace=True))
        self.drop = nn.Dropout(dropout)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.linear = nn.Linear(6, 10)
        self.sizes: list[tuple[int, bool]] = []  # of the batches seen, and whether with a graph
        self.to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.linear.weight.dtype)
        if not torch.compiler.is_compiling():
            self.sizes.append((len(x), torch.is_grad_enabled()))
        return self.linear(self.pool(self.drop(self.second(self.first(x)))))


def small_net(seed: int = 0, name: str = "small_cnn-3") -> nn.Module:
    torch.manual_seed(seed)
    return build_net(name, num_classes=10, in_channels=1)


def distillation(student: nn.Module | None = None) -> Objective:
    return Objective(
        small_net(name="small_cnn-2") if student is None else student,
        teacher=small_net(1),
        task=DISTILLATION,
    )


def trained(
    objective: Objective, images: ImageSource, config: TrainingConfig = CONFIG, **engine
) -> tuple[dict[str, Tensor], list[EpochReport]]:
    """The student's weights after a run, and the reports."""
    reports = list(fit(objective, images, config, EngineConfig(**engine), validation=images))
    return {k: v.clone() for k, v in objective.student.state_dict().items()}, reports


def states_of(objective: Objective, images: ImageSource, config=CONFIG, resume=None, **engine):
    """The state after each epoch."""
    states: list[TrainingState] = []
    settings = EngineConfig(**engine)
    for _ in fit(objective, images, config, settings, resume=resume, on_state=states.append):
        pass
    return states


def assert_close(first: dict[str, Tensor], second: dict[str, Tensor], **tolerance) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(
            value, second[name], **tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


def assert_other(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert any(not torch.equal(value, second[name]) for name, value in first.items())


def flat(value, place: str = ""):
    """Every leaf of nested mappings and lists, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{place}.{key}")
    elif isinstance(value, list):
        yield from flat(dict(enumerate(value)), place)
    else:
        yield place, value


def assert_same_state(first: TrainingState, second: TrainingState) -> None:
    """Bit for bit, the layout of memory too."""
    parts = ("student", "objective", "optimizer", "scaler", "average", "generators", "asked")
    for name in parts:
        pairs = [dict(flat(getattr(state, name), name)) for state in (first, second)]
        assert pairs[0].keys() == pairs[1].keys()
        for place, value in pairs[0].items():
            other = pairs[1][place]
            if isinstance(value, Tensor):
                assert torch.equal(value, other), place
                assert value.stride() == other.stride(), place
            else:
                assert value == other, place
