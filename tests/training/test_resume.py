"""A run that goes on from a state is the run that was never stopped."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images
from torchlgg.nets import build_net
from torchlgg.training import (
    GKD,
    HKD,
    Distill,
    DivergedError,
    Objective,
    TrainingConfig,
    TrainingState,
    fit,
)

CONFIG = TrainingConfig(epochs=4, batch_size=40, crop_padding=1, decay_at=(0.5,))
DISTILLATION = Distill(losses=("hkd", GKD(gradient_ratio=1.0)))


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return open_images("digits", limit=200).train


class Dropping(nn.Module):
    """A student that draws random numbers of its own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = build_net("small_cnn-2", num_classes=10, in_channels=1)
        self.auto_taps = tuple(f"net.{tap}" for tap in self.net.auto_taps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(nn.functional.dropout(x, 0.2, self.training))


def objective() -> Objective:
    torch.manual_seed(1)
    teacher = build_net("small_cnn-3", num_classes=10, in_channels=1)
    return Objective(Dropping(), teacher=teacher, task=DISTILLATION)


def states_of(digits: ImageSet, objective: Objective, config=CONFIG) -> list[TrainingState]:
    states: list[TrainingState] = []
    list(fit(objective, digits, config, validation=digits, on_state=states.append))
    return states


def assert_same(first: TrainingState, second: TrainingState) -> None:
    def flat(value, place=""):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from flat(inner, f"{place}.{key}")
        elif isinstance(value, list):
            yield from flat(dict(enumerate(value)), place)
        else:
            yield place, value

    for name in ("student", "objective", "optimizer", "generators", "asked"):
        pairs = [dict(flat(getattr(state, name), name)) for state in (first, second)]
        assert pairs[0].keys() == pairs[1].keys()
        for place, value in pairs[0].items():
            same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
            assert same(value, pairs[1][place]), place


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_bit_for_bit(digits: ImageSet, tmp_path: Path, epoch: int) -> None:
    states = states_of(digits, objective())
    assert [state.epoch for state in states] == [1, 2, 3, 4]
    states[epoch - 1].write(tmp_path / "state.pt")
    torch.manual_seed(99)  # the process that goes on is in another state
    again = objective()
    again.student.load_state_dict({k: v + 1 for k, v in again.student.state_dict().items()})
    found: list[TrainingState] = []
    reports = list(
        fit(
            again,
            digits,
            CONFIG,
            validation=digits,
            resume=TrainingState.read(tmp_path / "state.pt"),
            on_state=found.append,
        )
    )
    assert [report.epoch for report in reports] == [1, 2, 3, 4][epoch:]
    for report, expected in zip(reports, states[-1].reports[epoch:], strict=True):
        assert report.terms == expected.terms
        assert report.validation_error == expected.validation_error
        assert report.learning_rate == expected.learning_rate
    for state, expected in zip(found, states[epoch:], strict=True):
        assert_same(state, expected)
    for name, value in again.student.state_dict().items():
        assert torch.equal(value, states[-1].student[name]), name


def test_a_state_is_a_copy(digits: ImageSet) -> None:
    states = states_of(digits, objective())
    first = states_of(digits, objective(), replace(CONFIG, epochs=4))[0]
    assert_same(states[0], first)  # it was not trained on with the student
    list(fit(objective(), digits, CONFIG, validation=digits, resume=states[0]))
    assert_same(states[0], first)  # nor by going on from it


def test_asking_for_something_else(digits: ImageSet) -> None:
    state = states_of(digits, objective())[0]

    def go_on(train=digits, config=CONFIG, asked=None, validation=digits) -> None:
        asked = asked or objective()
        next(fit(asked, train, config, validation=validation, resume=state))

    with pytest.raises(InputError, match="`epochs` was 4 and is 5; what a run was asked for"):
        go_on(config=replace(CONFIG, epochs=5))
    other = objective()
    other.task = replace(DISTILLATION, losses=(HKD(temperature=2.0),))
    with pytest.raises(InputError, match="`losses` was"):
        go_on(asked=other)
    changed = digits.images.clone()
    changed[3, 0, 2, 2] ^= 1
    with pytest.raises(InputError, match="the training images are not the same as when"):
        go_on(train=replace(digits, images=changed))
    with pytest.raises(InputError, match="the training images are not the same as when"):
        go_on(train=replace(digits, mean=(0.5,)))
    with pytest.raises(InputError, match="the validation images are not the same as when"):
        go_on(validation=None)
    other = objective()
    with torch.no_grad():
        other.teacher.linear.bias[0] += 1e-6
    with pytest.raises(InputError, match="the teacher is not the same as when"):
        go_on(asked=other)
    other = objective()
    other.student = build_net("small_cnn-3", num_classes=10, in_channels=1)
    with pytest.raises(InputError, match="`resume` is the state of another student"):
        go_on(asked=other)


def test_files_that_are_no_state(digits: ImageSet, tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    state = states_of(digits, objective())[0]
    with pytest.raises(InputError, match=r"cannot read '.*state.pt': No such file"):
        TrainingState.read(path)
    state.write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(InputError, match="damaged, cut short, or no training state"):
        TrainingState.read(path)
    place = whole.index(state.student["net.linear.weight"].numpy().tobytes())
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(InputError, match="damaged, cut short, or no training state"):
        TrainingState.read(path)  # one bit of one weight
    path.write_bytes(pickle.dumps({"format": "torchlgg training state"}))
    with pytest.raises(InputError, match="damaged, cut short, or no training state"):
        TrainingState.read(path)
    torch.save({"format": "torchlgg training state", "version": 99}, path)
    with pytest.raises(InputError, match="has version 99 of the format of training states"):
        TrainingState.read(path)
    torch.save({"format": "torchlgg training state", "version": 3, "reports": []}, path)
    with pytest.raises(InputError, match="written by another version of torchlgg"):
        TrainingState.read(path)
    torch.save({"a": torch.ones(1)}, path)
    with pytest.raises(InputError, match="is no training state"):
        TrainingState.read(path)


class Poisoned(nn.Module):
    """Multiplies by 1; its gradient turns NaN after so many batches."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.net = build_net("small_cnn-2", num_classes=10, in_channels=1)
        self.left = after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.net(x)
        self.left -= self.training
        if self.left < 0:
            logits.register_hook(lambda gradient: gradient * torch.nan)
        return logits


def test_a_gradient_that_turns_nan_leaves_no_state(digits: ImageSet) -> None:
    """The terms of the epoch are all finite: the weights tell."""
    states: list[TrainingState] = []
    config = replace(CONFIG, epochs=3)
    student = Poisoned(after=9)  # the last of the ten steps of two epochs
    with pytest.raises(DivergedError, match=r"the weights 'net\..*' hold NaN .* after epoch 2"):
        list(fit(Objective(student), digits, config, on_state=states.append))
    assert [state.epoch for state in states] == [1]
    assert all(bool(value.isfinite().all()) for value in states[0].student.values())


def test_a_tap_that_turns_nan_is_named(digits: ImageSet) -> None:
    teacher = build_net("small_cnn-3", num_classes=10, in_channels=1)
    asked = Objective(Dropping(), teacher=teacher, task=Distill(losses=("gkd",)))
    steps = 0

    def poison(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += module.training
        return output * torch.nan if steps > 7 else output

    asked.student.net.stage2.register_forward_hook(poison)
    states: list[TrainingState] = []
    with pytest.raises(
        DivergedError, match=r"diverged in step 3 of epoch 2: .*`student\['net.stage2'\]` must be"
    ):
        list(fit(asked, digits, CONFIG, on_state=states.append))
    assert [state.epoch for state in states] == [1]
