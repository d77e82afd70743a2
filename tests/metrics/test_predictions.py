from __future__ import annotations

import pytest
import torch

from torchlgg.core import InputError
from torchlgg.metrics import agreement, error_rate

N, C = 500, 7


def generic(seed):
    generator = torch.Generator().manual_seed(seed)
    labels_N = torch.randint(0, C, (N,), generator=generator)
    right_NC = 1.5 * torch.nn.functional.one_hot(labels_N, C)
    teacher_NC = right_NC + torch.randn(N, C, generator=generator)
    student_NC = 0.5 * teacher_NC + torch.randn(N, C, generator=generator)
    return student_NC, teacher_NC, labels_N


def classes(logits_NC):
    """The class of the largest logit, the first in a tie, by a plain loop."""
    found = []
    for row in logits_NC.tolist():
        best = 0
        for c, logit in enumerate(row):
            if logit > row[best]:
                best = c
        found.append(best)
    return found


def share(flags):
    return sum(flags) / len(flags) if flags else None


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_error_rate_is_the_share_of_wrong_predictions(dtype):
    _, logits_NC, labels_N = generic(0)
    logits_NC = logits_NC.to(dtype)
    wrong = [c != y for c, y in zip(classes(logits_NC), labels_N.tolist(), strict=True)]
    assert 0.1 < share(wrong) < 0.9
    assert error_rate(logits_NC, labels_N) == share(wrong)
    assert type(error_rate(logits_NC, labels_N)) is float


def test_agreement_is_the_share_of_equal_predictions_in_each_part():
    student_NC, teacher_NC, labels_N = generic(1)
    rows = list(zip(classes(student_NC), classes(teacher_NC), labels_N.tolist(), strict=True))
    found = agreement(student_NC, teacher_NC, labels_N)
    assert found.overall == share([s == t for s, t, _ in rows])
    assert found.teacher_right == share([s == t for s, t, y in rows if t == y])
    assert found.teacher_wrong == share([s == t for s, t, y in rows if t != y])
    assert found.count == N
    assert found.count_teacher_right == sum(t == y for _, t, y in rows)
    assert found.count_teacher_wrong == sum(t != y for _, t, y in rows)
    assert len({found.overall, found.teacher_right, found.teacher_wrong}) == 3


def test_a_part_without_examples_has_no_share():
    student_NC, teacher_NC, _ = generic(2)
    right_N = teacher_NC.argmax(1)
    found = agreement(student_NC, teacher_NC, right_N)
    assert found.teacher_wrong is None
    assert found.count_teacher_wrong == 0
    assert found.teacher_right == found.overall
    found = agreement(student_NC, teacher_NC, (right_N + 1) % C)
    assert found.teacher_right is None
    assert found.teacher_wrong == found.overall


def test_the_first_of_equal_logits_is_the_prediction():
    logits = torch.tensor([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
    assert error_rate(logits, torch.tensor([1, 0])) == 0
    assert error_rate(logits, torch.tensor([2, 1])) == 1


def test_a_class_masked_with_infinity_is_no_error():
    logits = torch.tensor([[float("-inf"), 0.0], [float("inf"), 0.0]])
    assert error_rate(logits, torch.tensor([1, 1])) == 0.5


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_labels_may_be_any_integers(dtype):
    student_NC, teacher_NC, labels_N = generic(3)
    assert error_rate(teacher_NC, labels_N.to(dtype)) == error_rate(teacher_NC, labels_N)
    assert agreement(student_NC, teacher_NC, labels_N.to(dtype)) == agreement(
        student_NC, teacher_NC, labels_N
    )


def test_logits_that_need_gradients_are_welcome_and_inputs_stay():
    student_NC, teacher_NC, labels_N = generic(4)
    before = student_NC.clone(), teacher_NC.clone(), labels_N.clone()
    agreement(student_NC.requires_grad_(), teacher_NC.requires_grad_(), labels_N)
    error_rate(student_NC, labels_N)
    for tensor, copy in zip((student_NC, teacher_NC, labels_N), before, strict=True):
        torch.testing.assert_close(tensor.detach(), copy, rtol=0, atol=0)


NAN = torch.tensor([[0.0, 1.0], [float("nan"), 1.0], [float("nan"), 0.0]])
GOOD = torch.tensor([[0.0, 1.0], [2.0, 1.0], [3.0, 0.0]])


@pytest.mark.parametrize(
    ("logits", "labels", "sentence"),
    [
        (NAN, torch.tensor([0, 1, 1]), "`logits` must not hold NaN; 2 of its 3 rows do.* row 1"),
        (GOOD, torch.tensor([0, 1]), "same examples: logits has 3 rows, labels 2"),
        (GOOD, torch.tensor([0, 1, 2]), "`labels` must lie between 0 and 1, .* `logits`, got 2"),
        (GOOD, torch.tensor([0, -1, 1]), "between 0 and 1, .*got -1"),
        (GOOD, torch.tensor([0.0, 1.0, 1.0]), r"`labels` must be .* got torch.float32 of shape"),
        (GOOD, torch.tensor([True, False, True]), "`labels` must be .* got torch.bool"),
        (GOOD, torch.tensor([[0, 1, 1]]), r"`labels` must be .* of shape \(1, 3\)"),
        (GOOD, [0, 1, 1], "`labels` must be .* got list"),
        (GOOD[0], torch.tensor([0]), r"`logits` must be a tensor \(N, C\) .* got shape \(2,\)"),
        (GOOD[:0], torch.tensor([]), r"at least one example .* got shape \(0, 2\)"),
        ([[0.0, 1.0]], torch.tensor([0]), "`logits` must be .* got list"),
    ],
)
def test_bad_input_is_one_sentence(logits, labels, sentence):
    with pytest.raises(InputError, match="^error_rate: .*" + sentence):
        error_rate(logits, labels)


def test_student_and_teacher_must_fit():
    labels = torch.tensor([0, 1, 1])
    with pytest.raises(InputError, match="student_logits has 2 rows, teacher_logits 3"):
        agreement(GOOD[:2], GOOD, labels)
    with pytest.raises(InputError, match=r"same classes: student_logits has 1 columns, .* 2"):
        agreement(GOOD[:, :1], GOOD, labels)
    with pytest.raises(InputError, match=r"^agreement: `student_logits` must not hold NaN"):
        agreement(NAN, GOOD, labels)
    with pytest.raises(InputError, match=r"^agreement: `teacher_logits` must not hold NaN"):
        agreement(GOOD, NAN, labels)
