"""What the engine may change about a run, and what not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.training.making import (
    CONFIG,
    Plain,
    assert_close,
    assert_other,
    assert_same_state,
    distillation,
    small_net,
    states_of,
    trained,
)
from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images
from torchlgg.metrics import error_rate
from torchlgg.nets import open_net
from torchlgg.recipes import recipe, run_recipe, with_settings
from torchlgg.training import (
    Classify,
    Distill,
    DivergedError,
    EngineConfig,
    Objective,
    Robustify,
    TrainingState,
    check_fit,
    fit,
    predict,
)
from torchlgg.training import _teacher_cache as cache
from torchlgg.training._diverged import TermSums
from torchlgg.training._forward import Forward

STILL = replace(CONFIG, crop_padding=0, flip=False)


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return open_images("digits", limit=130).train  # batches of 48, 48 and 34


# -------------------------------------------------------------------------------- channels last


def test_channels_last_is_a_layout_of_memory(digits: ImageSet) -> None:
    objective = distillation()
    seen: list[bool] = []
    for net in (objective.student, objective.teacher):
        net.stage2.conv.register_forward_hook(
            lambda _m, inputs, _out: seen.append(
                inputs[0].is_contiguous(memory_format=torch.channels_last)
            )
        )
    last, reports = trained(objective, digits, channels_last=True)
    assert seen
    assert all(seen)
    plain, expected = trained(distillation(), digits)
    assert_close(last, plain, rtol=1e-3, atol=1e-5)
    assert reports[-1].terms == pytest.approx(expected[-1].terms, rel=1e-4)
    weight = objective.student.stage2.conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


def test_images_are_laid_out_too() -> None:
    class Looking(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.is_contiguous(memory_format=torch.channels_last) * x.flatten(1)

    images = torch.arange(2.0 * 3 * 4 * 4).view(2, 3, 4, 4)
    for last in (True, False):
        view = Forward(Looking(), None, EngineConfig(channels_last=last))(images)
        torch.testing.assert_close(view.logits_NC, last * images.flatten(1))


def test_channels_last_goes_on_bit_for_bit(digits: ImageSet, tmp_path) -> None:
    states = states_of(distillation(), digits, channels_last=True)
    states[0].write(tmp_path / "state.pt")
    read = TrainingState.read(tmp_path / "state.pt")
    found = states_of(distillation(), digits, resume=read, channels_last=True)
    assert_same_state(found[-1], states[-1])
    momentum = dict(found[-1].optimizer["state"])[3]["momentum_buffer"]
    assert momentum.is_contiguous(memory_format=torch.channels_last)


# --------------------------------------------------------------------------- average of weights


def test_the_average_is_the_one_written_out(digits: ImageSet) -> None:
    student = small_net()
    wanted: dict[str, Tensor] = {}

    def note(done: int, total: int) -> None:
        for name, value in student.state_dict().items():
            new = value.double()
            wanted[name] = 0.75 * wanted[name] + 0.25 * new if name in wanted else new

    states: list[TrainingState] = []
    engine = EngineConfig(ema=0.75, watch=("stage2",))
    told = fit(
        Objective(student), digits, CONFIG, engine, validation=digits, on_step=note,
        on_state=states.append,
    )  # fmt: skip
    reports = list(told)
    net = small_net(9)
    states[-1].restore_network(net)
    for name, value in net.state_dict().items():
        if value.is_floating_point():  # the statistics of batch norm too
            torch.testing.assert_close(value.double(), wanted[name], rtol=1e-5, atol=1e-6)
    assert_other(net.state_dict(), student.state_dict())
    assert reports[-1].validation_error == error_rate(predict(net, digits), digits.labels)
    plain = small_net(9)
    states[-1].restore_student(plain)
    assert_close(plain.state_dict(), student.state_dict(), rtol=0, atol=0)
    other = list(fit(Objective(small_net()), digits, CONFIG, EngineConfig(watch=("stage2",))))
    assert other[-1].terms == reports[-1].terms  # the student is trained as without
    assert other[-1].smoothness != reports[-1].smoothness


def test_a_run_keeps_and_measures_the_average(tmp_path) -> None:
    settings = (
        "training.epochs=3", "data.limit=200", "net.name=small_cnn-2", "engine.ema=0.9",
        "training.batch_size=32", "data.validation=0.2", "engine.device=cpu",
    )  # fmt: skip
    config = with_settings(recipe("digits/classify"), settings)
    run = run_recipe(config, tmp_path / "run")
    images = config.data.open()
    for name, result in zip(("model", "best"), run.results(), strict=True):
        net = open_net(run.path(f"{name}.safetensors"))
        wrong = error_rate(predict(net, images[2]), images[2].labels)
        assert result.measurement("error").value == pytest.approx(100 * wrong), name
    state = TrainingState.read(run.path("state.pt"))
    kept = open_net(run.path("model.safetensors"))
    expected = open_net(run.path("model.safetensors"))
    state.restore_network(expected)
    assert_close(kept.state_dict(), expected.state_dict(), rtol=0, atol=0)
    assert_other(kept.state_dict(), dict(state.student))
    errors = [row["validation_error"] for row in run.metrics()]
    best = open_net(run.path("best.safetensors"))
    assert error_rate(predict(best, images[1]), images[1].labels) == min(errors)


def test_the_average_goes_on_bit_for_bit(digits: ImageSet, tmp_path) -> None:
    states = states_of(distillation(), digits, ema=0.9)
    states[0].write(tmp_path / "state.pt")
    read = TrainingState.read(tmp_path / "state.pt")
    found = states_of(distillation(), digits, resume=read, ema=0.9)
    assert_same_state(found[-1], states[-1])
    assert states[-1].average is not None
    with pytest.raises(InputError, match=r"`ema` was 0.9 and is 0.8"):
        states_of(distillation(), digits, resume=read, ema=0.8)


# -------------------------------------------------------------------------------- micro-batches


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)], ids=str
)
@pytest.mark.parametrize("parts", [2, 5])
def test_parts_of_a_batch_have_the_gradient_of_the_whole(
    digits: ImageSet, parts: int, dtype, tolerance: float
) -> None:
    """Through two epochs with graphs of the whole batch, uneven parts, and shares."""
    whole, reports = trained(distillation(Plain(dtype=dtype)), digits)
    student = Plain(dtype=dtype)
    found, told = trained(distillation(student), digits, micro_batches=parts)
    assert_close(found, whole, rtol=tolerance, atol=tolerance)
    assert told[0].terms == pytest.approx(reports[0].terms, rel=10 * tolerance)
    assert told[0].gradient_shares == pytest.approx(reports[0].gradient_shares, rel=1e-5)
    largest = max(size for size, graph in student.sizes if graph)
    assert largest == -(-48 // parts)


def test_parts_draw_the_random_numbers_of_their_first_pass(digits: ImageSet) -> None:
    """Else the gradient would be taken at other values than those the losses saw."""
    student = Plain(dropout=0.5)
    outputs: dict[bool, list[Tensor]] = {False: [], True: []}
    student.drop.register_forward_hook(
        lambda module, _a, out: (
            outputs[torch.is_grad_enabled()].append(out.detach().clone())
            if module.training
            else None
        )
    )
    list(fit(Objective(student), digits, replace(CONFIG, epochs=1), EngineConfig(micro_batches=3)))
    assert len(outputs[True]) == len(outputs[False]) == 9
    for first, second in zip(outputs[False], outputs[True], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(outputs[True][0], outputs[True][1])


def test_statistics_of_batch_norm_move_once_for_each_part(digits: ImageSet) -> None:
    student = small_net()
    list(fit(Objective(student), digits, replace(CONFIG, epochs=1), EngineConfig(micro_batches=2)))
    assert int(student.stage1.bn.num_batches_tracked) == 3 * 2


def test_parts_go_on_bit_for_bit(digits: ImageSet) -> None:
    settings = {"micro_batches": 2, "precision": "float16", "ema": 0.9}
    states = states_of(distillation(Plain(dropout=0.3)), digits, **settings)
    found = states_of(distillation(Plain(dropout=0.3)), digits, resume=states[0], **settings)
    assert_same_state(found[-1], states[-1])


# ------------------------------------------------------------------------------ teacher's cache


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_teacher_whose_outputs_are_kept_is_asked_once(digits: ImageSet, precision) -> None:
    calls: list[int] = []
    objective = distillation()
    objective.teacher.register_forward_hook(lambda _m, inputs, _out: calls.append(len(inputs[0])))
    settings = {"precision": precision, "channels_last": True}
    found, reports = trained(objective, digits, STILL, cache_teacher=True, **settings)
    assert sum(calls) == len(digits) + 1  # one image tells the size
    expected, told = trained(distillation(), digits, STILL, **settings)
    assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert reports[-1].terms == pytest.approx(told[-1].terms, rel=1e-4)
    calls.clear()
    trained(objective, digits, STILL, cache_teacher=False)
    assert sum(calls) == CONFIG.epochs * len(digits)


def test_outputs_that_cannot_be_kept(digits: ImageSet, monkeypatch) -> None:
    engine = EngineConfig(cache_teacher=True)
    for config in (replace(STILL, flip=True), replace(STILL, crop_padding=1)):
        with pytest.raises(InputError, match="`cache_teacher` needs images that are the same in"):
            check_fit(distillation(), digits, config, engine)
    with pytest.raises(InputError, match="no loss of this run reads a teacher"):
        check_fit(Objective(small_net()), digits, STILL, engine)
    monkeypatch.setattr(cache, "LARGEST_CACHE", 2**16)
    with pytest.raises(InputError, match=r"would hold 0.0 GiB for 130 images, and may hold 0:"):
        check_fit(distillation(), digits, STILL, engine)
    with pytest.raises(InputError, match="`cache_teacher` would hold"):
        next(fit(distillation(), digits, STILL, engine))


# ----------------------------------------------------------------------------------- the others


def test_an_accelerator_is_looked_at_every_twentieth_step() -> None:
    """And the first step that was not finite is named all the same."""

    def seen_in(kind: str, bad: int) -> int:
        """The step in which the error comes; 45 is the last, and the end of the epoch."""
        found, steps = TermSums(torch.device(kind), epoch=3), 0

        def epoch() -> None:
            nonlocal steps
            for steps in range(1, 46):
                value = torch.tensor(torch.nan if steps >= bad else 2.0 * steps)
                found.add({"ce": torch.tensor(1.0), "gkd": value})
            found.means()

        with pytest.raises(DivergedError, match=f"'gkd' is nan in step {bad} of epoch 3"):
            epoch()
        return steps

    assert [seen_in("cuda", bad) for bad in (1, 20, 21, 41)] == [20, 20, 40, 45]
    assert [seen_in("cpu", bad) for bad in (1, 20, 41)] == [1, 20, 41]
    whole = TermSums(torch.device("cuda"), epoch=1)
    for step in range(1, 46):
        whole.add({"ce": torch.tensor(1.0), "gkd": torch.tensor(2.0 * step)})
    assert whole.means() == {"ce": 1.0, "gkd": 46.0}


def test_sentences() -> None:
    for settings, sentence in (
        ({"ema": 1.0}, "`ema` must be above 0 and below 1, or None; got 1.0"),
        ({"micro_batches": 0}, "`micro_batches` must be at least 1, got 0"),
        ({"compile": "fast"}, "`compile` must be one of None, 'default', 'cuda_graphs'; got"),
        ({"compile": "cuda_graphs", "micro_batches": 2}, "they exclude each other"),
    ):
        with pytest.raises(InputError, match=sentence):
            EngineConfig(**settings)
    with pytest.raises(InputError, match=r"'cuda_graphs' needs a CUDA device, and .* on 'cpu'"):
        next(fit(Objective(Plain()), open_images("digits").train, CONFIG,
                 EngineConfig(compile="cuda_graphs")))  # fmt: skip


@pytest.mark.parametrize(
    "task", [Classify(), Distill(losses=()), Robustify(parseval=0.1)], ids=lambda task: task.kind
)
def test_every_task_runs_with_everything(digits: ImageSet, task) -> None:
    student = small_net()
    objective = Objective(student, teacher=small_net(1), task=task)
    settings = {"precision": "bfloat16", "channels_last": True, "ema": 0.9, "micro_batches": 2}
    _, reports = trained(objective, digits, **settings)
    assert reports[-1].terms["ce"] < reports[0].terms["ce"]
    assert isinstance(student, nn.Module)
