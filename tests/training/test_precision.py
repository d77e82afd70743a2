"""Half precision: what is computed in it, what is not, and the scale of its gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.training.making import (
    CONFIG,
    Plain,
    assert_other,
    assert_same_state,
    distillation,
    small_net,
    states_of,
    trained,
)
from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images
from torchlgg.training import Distill, EngineConfig, Objective, TrainingState, View, fit
from torchlgg.training._clock import Clock
from torchlgg.training._passes import Passes

HALVES = ("bfloat16", "float16")


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return open_images("digits", limit=144).train


@pytest.mark.parametrize("precision", HALVES)
def test_forward_passes_of_both_run_in_it_and_losses_do_not(digits: ImageSet, precision) -> None:
    objective = distillation()
    seen: dict[str, list[torch.dtype]] = {"student": [], "teacher": [], "losses": []}
    for name in ("student", "teacher"):
        net = getattr(objective, name)
        net.stage2.conv.register_forward_hook(
            lambda _m, _a, out, name=name: seen[name].append(out.dtype)
        )
    term = objective.task.terms[2]
    whole = type(term).loss

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        seen["losses"] += [tensor.dtype for tensor in student.tensors().values()]
        return whole(self, student, teacher, labels_N)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(term), "loss", loss)
        next(fit(objective, digits, CONFIG, EngineConfig(precision=precision)))
    half = getattr(torch, precision)
    assert set(seen["student"]) == set(seen["teacher"]) == {half}
    assert set(seen["losses"]) == {torch.float32}
    assert all(value.dtype != half for value in objective.student.state_dict().values())


@pytest.mark.parametrize("precision", HALVES)
def test_the_gradient_is_about_that_of_float32(digits: ImageSet, precision) -> None:
    images, labels_N = digits.normalize(digits.images[:64]), digits.labels[:64]
    found = {}
    for name in ("float32", precision):
        objective = distillation(Plain())
        passes = Passes(
            objective.student, objective.teacher, objective.task, EngineConfig(precision=name)
        )
        step = objective.backward(images, labels_N, Clock(torch.device("cpu")), passes=passes)
        assert step.shares is not None
        size = passes.scaler.get_scale()  # 1 without half precision
        found[name] = torch.cat([p.grad.flatten() for p in objective.student.parameters()]) / size
    assert not torch.equal(found["float32"], found[precision])
    difference = (found[precision] - found["float32"]).norm() / found["float32"].norm()
    assert difference < (0.05 if precision == "bfloat16" else 0.01)


def test_float16_keeps_gradients_that_would_be_rounded_to_nothing(digits: ImageSet) -> None:
    """Without the scale they are below the smallest number of float16 on their way."""
    images, labels_N = digits.normalize(digits.images[:64]), digits.labels[:64]

    class Quiet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.linear = nn.Linear(64, 8), nn.Linear(8, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(self.first(x.flatten(1))) * 1e-7

    shares = {}
    for precision in ("float32", "float16"):
        objective = Objective(Quiet(), teacher=small_net(1), task=Distill(losses=("hkd",)))
        engine = EngineConfig(precision=precision)
        passes = Passes(objective.student, objective.teacher, objective.task, engine)
        step = objective.backward(images, labels_N, Clock(torch.device("cpu")), passes=passes)
        assert objective.student.first.weight.grad.count_nonzero() > 400
        assert step.shares is not None
        shares[precision] = step.shares
    assert shares["float16"] == pytest.approx(shares["float32"], abs=0.02)


@pytest.mark.parametrize("precision", HALVES)
def test_it_goes_on_bit_for_bit(digits: ImageSet, tmp_path, precision) -> None:
    config = replace(CONFIG, epochs=3)
    states = states_of(distillation(Plain(dropout=0.2)), digits, config, precision=precision)
    states[0].write(tmp_path / "state.pt")
    torch.manual_seed(5)
    read = TrainingState.read(tmp_path / "state.pt")
    found = states_of(
        distillation(Plain(dropout=0.2)), digits, config, resume=read, precision=precision
    )
    assert [state.epoch for state in found] == [2, 3]
    assert_same_state(found[-1], states[-1])
    assert set(states[0].scaler) == (
        {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}
        if precision == "float16"
        else set()
    )


class Bursting(Plain):
    """Its gradient overflows in some steps."""

    def __init__(self, *, at: tuple[int, ...]) -> None:
        super().__init__()
        self.at, self.step = at, 0

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        self.step += self.training
        if self.step in self.at and logits.requires_grad:
            logits.register_hook(lambda gradient: gradient * torch.inf)
        return logits


def test_a_step_that_overflows_is_left_out_and_counted(digits: ImageSet) -> None:
    students = Bursting(at=()), Bursting(at=(2, 3))
    states, reports = [], []
    for student in students:
        states.append([])
        settings = EngineConfig(precision="float16", ema=0.5)
        config = replace(CONFIG, epochs=1)
        reports += fit(Objective(student), digits, config, settings, on_state=states[-1].append)
    assert reports[1].steps == 3
    assert reports[1].skipped_steps == reports[0].skipped_steps + 2
    assert math.isfinite(reports[1].terms["ce"])
    assert all(value.isfinite().all() for value in students[1].state_dict().values())
    scales = [state.scaler["scale"] for (state,) in states]
    assert scales[1] == scales[0] / 4
    assert int(states[1][0].average["n_averaged"]) == 3 - reports[1].skipped_steps


def test_shares_are_measured_in_half_precision(digits: ImageSet) -> None:
    _, plain = trained(distillation(Plain()), digits)
    for precision in HALVES:
        _, reports = trained(distillation(Plain()), digits, precision=precision)
        assert reports[0].gradient_shares == pytest.approx(plain[0].gradient_shares, abs=0.03)


def test_float32_is_exactly_what_it_was(digits: ImageSet) -> None:
    plain, _ = trained(Objective(small_net()), digits)
    half, _ = trained(Objective(small_net()), digits, precision="bfloat16")
    assert_other(plain, half)


def test_sentences(digits: ImageSet) -> None:
    with pytest.raises(InputError, match=r"`precision` must be .*'float16'; got 'fp16'"):
        EngineConfig(precision="fp16")
    state = states_of(Objective(small_net()), digits, precision="bfloat16")[0]
    with pytest.raises(InputError, match="`precision` was 'bfloat16' and is 'float32'"):
        states_of(Objective(small_net()), digits, resume=state)
