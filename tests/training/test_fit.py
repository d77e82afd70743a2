"""The loop: it learns, repeats itself, keeps its schedule and reports what it did."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images
from torchlgg.graphs import GraphSpec
from torchlgg.metrics import error_rate
from torchlgg.nets import SavedNet, build_net
from torchlgg.training import (
    GKD,
    Distill,
    EpochReport,
    Objective,
    TrainingConfig,
    fit,
    load_net,
    predict,
)

CONFIG = TrainingConfig(epochs=2, batch_size=64, crop_padding=1, flip=False)


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return open_images("digits", limit=320).train


def small_net(seed: int = 0, name: str = "small_cnn-3") -> nn.Module:
    torch.manual_seed(seed)
    return build_net(name, num_classes=10, in_channels=1)


def trained(
    digits: ImageSet, config: TrainingConfig, name: str = "small_cnn-3"
) -> tuple[nn.Module, list[EpochReport]]:
    net = small_net(name=name)
    return net, list(fit(Objective(net), digits, config, validation=digits))


def test_it_learns_and_reports(digits: ImageSet) -> None:
    config = replace(CONFIG, epochs=6, batch_size=16, decay_at=())
    net, reports = trained(digits, config, "small_cnn-8")
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5, 6]
    assert reports[-1].terms["ce"] < 0.7 * reports[0].terms["ce"]
    wrong = error_rate(predict(net, digits), digits.labels)
    assert reports[-1].validation_error == pytest.approx(wrong)
    assert wrong < 0.6
    first = reports[0]
    assert first.steps == 20
    assert set(first.part_seconds) == {
        "data",
        "student forward",
        "ce",
        "student backward",
        "optimiser",
    }
    assert sum(first.part_seconds.values()) <= first.seconds
    assert sum(map(first.share, first.part_seconds)) == pytest.approx(1)
    assert first.images_per_second == pytest.approx(320 / first.seconds)


def test_same_seed_same_weights(digits: ImageSet) -> None:
    first, again, other = (
        trained(digits, replace(CONFIG, seed=seed))[0].state_dict() for seed in (3, 3, 4)
    )
    for name, value in first.items():
        torch.testing.assert_close(value, again[name], rtol=0, atol=0)
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


def test_learning_rate_falls_after_30_60_and_80_percent() -> None:
    rates = [TrainingConfig().learning_rate_at(epoch) for epoch in (0, 59, 60, 119, 120, 159, 160)]
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 0.0008])


def test_a_step_is_stochastic_gradient_descent(digits: ImageSet) -> None:
    """One batch with everything, against the update written out."""
    config = TrainingConfig(epochs=1, batch_size=320, crop_padding=0, flip=False, seed=1)
    net, twin = small_net(), small_net()
    list(fit(Objective(net), digits, config))
    order = torch.randperm(320, generator=torch.Generator().manual_seed(1))
    twin.train()
    logits = twin(digits.normalize(digits.images[order]))
    nn.functional.cross_entropy(logits, digits.labels[order]).backward()
    for found, start in zip(net.parameters(), twin.parameters(), strict=True):
        expected = start - 0.1 * (start.grad + 5e-4 * start)
        torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-6)


def test_last_batch_that_is_too_small_is_left_out(digits: ImageSet) -> None:
    teacher = small_net(1, "small_cnn-4")
    distillation = Distill(losses=(GKD(spec=GraphSpec.graph_kd(10)),))
    objective = Objective(small_net(), teacher=teacher, task=distillation)
    part = digits.subset(torch.arange(64 + 10))
    [report] = fit(objective, part, replace(CONFIG, epochs=1))
    assert report.steps == 1
    assert report.images_per_second == pytest.approx(64 / report.seconds)


def test_sentences(digits: ImageSet) -> None:
    with pytest.raises(InputError, match=r"at least 2 examples.*there are 1 training images"):
        next(fit(Objective(small_net()), digits.subset([0]), CONFIG))
    with pytest.raises(InputError, match=r"the term 'ce' is .* in step 2 of epoch 1; lower"):
        list(fit(Objective(small_net()), digits, replace(CONFIG, learning_rate=1e20)))
    with pytest.raises(InputError, match="`epochs` must be at least 1, got 0"):
        replace(CONFIG, epochs=0)
    with pytest.raises(InputError, match="`learning_rate` must be positive, got -1"):
        replace(CONFIG, learning_rate=-1)
    with pytest.raises(InputError, match=r"`momentum` must be at least 0, got -0.5"):
        replace(CONFIG, momentum=-0.5)


def test_predict_keeps_modes_and_statistics(digits: ImageSet) -> None:
    net = small_net()
    net.stage1.eval()
    told: list[tuple[int, int]] = []
    before = net.stage2.bn.running_mean.clone()
    logits = predict(net, digits, batch_size=100, progress=lambda *at: told.append(at))
    assert told == [(100, 320), (200, 320), (300, 320), (320, 320)]
    assert net.training
    assert not net.stage1.training
    torch.testing.assert_close(net.stage2.bn.running_mean, before, rtol=0, atol=0)
    net.eval()
    torch.testing.assert_close(logits, net(digits.normalize(digits.images)).detach())


def test_predict_refuses_what_is_no_classifier(digits: ImageSet) -> None:
    with pytest.raises(InputError, match=r"one row of logits per image, shape \(256, C\); it gave"):
        predict(nn.Flatten(0), digits)


def test_a_saved_net_says_how_it_is_built_and_fed(digits: ImageSet, tmp_path) -> None:
    net = small_net()
    path = tmp_path / "net.safetensors"
    SavedNet.describe("small_cnn-3", digits).write(net, path)
    loaded, saved = load_net(None, path, digits)
    assert saved is not None
    assert (saved.mean, saved.std) == (digits.mean, digits.std)
    torch.testing.assert_close(predict(loaded, digits), predict(net, digits), rtol=0, atol=0)
    with pytest.raises(InputError, match=r"trained on the classes 0, 1, 2, 3, 4, .*10.*have a, b"):
        load_net(None, path, renamed(digits))


def renamed(images: ImageSet) -> ImageSet:
    return replace(images, class_names=tuple("abcdefghij"))


def test_a_foreign_file_needs_the_name(digits: ImageSet, tmp_path) -> None:
    path = tmp_path / "net.pt"
    torch.save(small_net().state_dict(), path)
    with pytest.raises(InputError, match="does not say which network"):
        load_net(None, path, digits)
    assert load_net("small_cnn-3", path, digits)[1] is None
