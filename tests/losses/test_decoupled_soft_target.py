"""Decoupled distillation beyond its contract: few classes, certain teachers, wrong labels."""

from __future__ import annotations

import pytest
import torch

from torchlgg.core import InputError
from torchlgg.losses import decoupled_soft_target_loss, soft_target_loss

LABELS = torch.tensor([0, 3, 1, 2, 2, 0])


def logits(seed: int, classes: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(6, classes, generator=generator, dtype=torch.float64)


def loss_and_gradient(s, t, labels, **options):
    s = s.clone().requires_grad_(True)
    value = decoupled_soft_target_loss(s, t, labels, temperature=1.0, **options)
    value.backward()
    return value.detach(), s.grad


@pytest.mark.parametrize("row", range(6))
def test_its_parts_make_up_the_soft_target_loss(row):
    """Equation 6 of the paper: alpha = 1 and beta = 1 - p_t of the teacher, example by example."""
    s, t, label = logits(0)[[row]], logits(1)[[row]], LABELS[[row]]
    rest = 1 - float((t / 3.0).softmax(dim=1)[0, label])
    value = decoupled_soft_target_loss(s, t, label, temperature=3.0, alpha=1.0, beta=rest)
    torch.testing.assert_close(value, soft_target_loss(s, t, temperature=3.0))


def test_two_classes_have_no_relation_among_the_others():
    s, t, labels = logits(0, 2), logits(1, 2), LABELS % 2
    value, gradient = loss_and_gradient(s, t, labels, alpha=0.0, beta=5.0)
    assert value == 0
    assert not gradient.any()
    value, _ = loss_and_gradient(s, t, labels)
    torch.testing.assert_close(value, soft_target_loss(s, t, temperature=1.0))


def test_one_class_has_nothing_to_learn():
    value, gradient = loss_and_gradient(logits(0, 1), logits(1, 1), 0 * LABELS)
    assert value == 0
    assert gradient.shape == (6, 1)
    assert not gradient.any()


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_certain_networks_stay_finite(dtype, right):
    """Probabilities of the other classes below the smallest number of float32 are no division."""
    sure = 300 * torch.nn.functional.one_hot(LABELS, 4).to(dtype)
    sure = sure if right else sure.roll(1, dims=1)
    s = logits(0).to(dtype)
    for student, teacher in ((s, sure), (sure, s), (sure, sure), (-sure, sure)):
        value, gradient = loss_and_gradient(student, teacher, LABELS)
        assert value.isfinite()
        assert value >= 0
        assert gradient.isfinite().all()
        assert gradient.norm() <= 9  # 1 + beta: softmax less softmax, mean over examples


def test_labels_are_classes_of_the_logits():
    s, t = logits(0), logits(1)
    for labels, sentence in (
        (LABELS + 1, r"`labels` must lie in \[0, 4\), the classes of the logits; got 1 to 4"),
        (LABELS - 1, r"`labels` must lie in \[0, 4\).*got -1 to 2"),
        (LABELS[:4], r"one entry per example: 6 examples, labels of shape \(4,\)"),
        (LABELS.double(), r"one whole number per example.*torch.float64 of shape \(6,\)"),
        (LABELS[:, None], r"one whole number per example.*torch.int64 of shape \(6, 1\)"),
        (LABELS.tolist(), "`labels` must be a tensor, got list"),
    ):
        with pytest.raises(InputError, match=sentence):
            decoupled_soft_target_loss(s, t, labels, temperature=4.0)


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int16], ids=str)
def test_labels_of_any_whole_type(dtype):
    s, t = logits(0), logits(1)
    expected = decoupled_soft_target_loss(s, t, LABELS, temperature=4.0)
    assert decoupled_soft_target_loss(s, t, LABELS.to(dtype), temperature=4.0) == expected


@pytest.mark.parametrize("name", ["alpha", "beta"])
@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_weights_are_not_negative(name, bad):
    with pytest.raises(InputError, match=f"`{name}` must be at least 0; got {bad!r}"):
        decoupled_soft_target_loss(logits(0), logits(1), LABELS, temperature=4.0, **{name: bad})
