"""The gradient of the objective, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from torchlgg.core import InputError
from torchlgg.graphs import GraphSpec
from torchlgg.losses import (
    graph_distillation_loss,
    relational_distance_loss,
    soft_target_loss,
)
from torchlgg.nets import build_net
from torchlgg.training import DistillationConfig, Objective, parse_losses
from torchlgg.training._clock import Clock

CPU = torch.device("cpu")


class Chain(nn.Module):
    """A network in float64 whose inner values a test can compute by hand."""

    auto_taps = ("first", "second")

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Sequential(nn.Linear(5, width), nn.ReLU()).double()
        self.second = nn.Sequential(nn.Linear(width, width), nn.ReLU()).double()
        self.head = nn.Linear(width, 3).double()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(x)))


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(9, 5, generator=generator, dtype=torch.float64), torch.arange(9) % 3


def test_gradient_is_that_of_the_sum() -> None:
    x, labels = batch()
    student, teacher = Chain(4, 0), Chain(6, 1)
    config = DistillationConfig(losses=("hkd", "rkd", "gkd"), spec=GraphSpec.graph_kd(3), power=2)
    objective = Objective(student, teacher=teacher, config=config)
    values = objective.backward(x, labels, Clock(CPU))
    found = {name: p.grad.clone() for name, p in student.named_parameters()}

    student.zero_grad()
    taps = [student.first(x)]
    taps.append(student.second(taps[0]))
    logits = student.head(taps[1])
    with torch.no_grad():
        theirs = [teacher.first(x)]
        theirs.append(teacher.second(theirs[0]))
        target = teacher.head(theirs[1])
    expected = {
        "ce": nn.functional.cross_entropy(logits, labels),
        "hkd": 16 * soft_target_loss(logits, target, temperature=4.0),
        "rkd": 25 * relational_distance_loss(taps, theirs),
        "gkd": 25
        * graph_distillation_loss(
            taps, theirs, spec=GraphSpec.graph_kd(3), power=2, mask_from="teacher"
        ),
    }
    sum(expected.values()).backward()
    assert list(values) == ["ce", "hkd", "rkd", "gkd"]
    for name, value in expected.items():
        torch.testing.assert_close(values[name], value.detach())
    for name, parameter in student.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-10, atol=1e-12)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_weights_and_settings_reach_the_terms() -> None:
    x, labels = batch()
    config = DistillationConfig(losses=("hkd", "rkd", "gkd"))
    changed = replace(config, hkd_weight=1.0, rkd_weight=2.0, gkd_weight=3.0)

    def values(config: DistillationConfig) -> dict[str, float]:
        return Objective(Chain(4, 0), teacher=Chain(6, 1), config=config).rehearse(x, labels)

    before, after = values(config), values(changed)
    assert before["hkd"] == pytest.approx(16 * after["hkd"])
    assert before["rkd"] == pytest.approx(25 / 2 * after["rkd"])
    assert before["gkd"] == pytest.approx(25 / 3 * after["gkd"])
    assert values(replace(config, temperature=1.0))["hkd"] != pytest.approx(before["hkd"])
    assert values(replace(config, power=2))["gkd"] != pytest.approx(before["gkd"])


def test_rehearsal_changes_nothing() -> None:
    torch.manual_seed(0)
    student = build_net("small_cnn-3", num_classes=10, in_channels=1)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    Objective(student).rehearse(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3]))
    assert student.training
    for name, value in student.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in student.parameters())


def test_teacher_is_in_eval_mode_and_keeps_its_statistics() -> None:
    torch.manual_seed(0)
    teacher = build_net("small_cnn-3", num_classes=10, in_channels=1).train()
    student = build_net("small_cnn-2", num_classes=10, in_channels=1)
    objective = Objective(student, teacher=teacher, config=DistillationConfig())
    before = teacher.stage1.bn.running_mean.clone()
    objective.backward(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3]), Clock(CPU))
    assert not teacher.training
    torch.testing.assert_close(teacher.stage1.bn.running_mean, before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("text", "losses"),
    [("none", ()), ("gkd", ("gkd",)), ("hkd+gkd", ("hkd", "gkd")), (" rkd + hkd ", ("rkd", "hkd"))],
)
def test_losses_in_words(text: str, losses: tuple[str, ...]) -> None:
    assert parse_losses(text) == losses


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gdk", "`losses` must be one of 'hkd', 'rkd', 'gkd'; got 'gdk'; did you mean 'gkd'"),
        ("none+gkd", "got 'none'"),
        ("", "got ''"),
        ("gkd+gkd", "each loss once"),
    ],
)
def test_losses_that_are_none(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence.replace("+", r"\+")):
        parse_losses(text)


def test_sentences() -> None:
    x, labels = batch()
    student, teacher = Chain(4, 0), Chain(6, 1)
    with pytest.raises(InputError, match="gkd need a teacher"):
        Objective(student, config=DistillationConfig())
    one = DistillationConfig(student_taps=("first",))
    with pytest.raises(InputError, match=r"the student has 1 \(first\) and the teacher 2"):
        Objective(student, teacher=teacher, config=one).rehearse(x, labels)
    unknown = DistillationConfig(student_taps=("frist", "second"))
    with pytest.raises(InputError, match="did you mean 'first'"):
        Objective(student, teacher=teacher, config=unknown).rehearse(x, labels)
    with torch.no_grad():
        teacher.second[0].bias[2] = torch.nan
    with pytest.raises(InputError, match=r"`teacher\['second'\]` must be finite; 9 of its 54"):
        Objective(student, teacher=teacher, config=DistillationConfig()).rehearse(x, labels)


def test_smallest_batch() -> None:
    teacher = Chain(6, 1)
    k = DistillationConfig(spec=GraphSpec.graph_kd(5))
    assert Objective(Chain(4, 0)).smallest_batch == 2
    assert Objective(Chain(4, 0), teacher=teacher, config=k).smallest_batch == 6
    rkd = replace(k, losses=("rkd",))
    assert Objective(Chain(4, 0), teacher=teacher, config=rkd).smallest_batch == 2
