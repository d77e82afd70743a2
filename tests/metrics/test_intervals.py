from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from torchlgg.core import InputError
from torchlgg.metrics import mean_interval, paired_difference, proportion_interval

LEVELS = [0.5, 0.9, 0.95, 0.999]


def runs(seed, count, *, mean=9.7, deviation=0.2):
    generator = random.Random(seed)
    return [generator.gauss(mean, deviation) for _ in range(count)]


@pytest.mark.parametrize("confidence", LEVELS)
@pytest.mark.parametrize("count", [2, 5, 40])
def test_mean_interval_is_scipys(count, confidence):
    values = runs(count, count)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    found = mean_interval(values, confidence=confidence)
    assert found.value == pytest.approx(sum(values) / count, rel=1e-14)
    assert found.low == pytest.approx(theirs.low, rel=1e-12)
    assert found.high == pytest.approx(theirs.high, rel=1e-12)
    assert (found.count, found.confidence, found.method) == (count, confidence, "Student t")


def test_mean_interval_against_a_table_of_student():
    # t for 4 degrees of freedom at 97.5 % is 2.776, as any printed table has it
    found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.value == 3
    assert found.high - 3 == pytest.approx(2.776 * (2.5 / 5) ** 0.5, rel=2e-4)


def test_mean_interval_of_a_far_offset_keeps_its_width():
    near = mean_interval([0.0, 0.25, 1.0])
    far = mean_interval([2.0**40, 2.0**40 + 0.25, 2.0**40 + 1.0])
    assert far.high - far.low == pytest.approx(near.high - near.low, rel=1e-3)


def test_one_value_has_no_interval_and_equal_values_one_without_width():
    one = mean_interval([9.7])
    assert (one.value, one.low, one.high, one.count) == (9.7, None, None, 1)
    equal = mean_interval([0.1, 0.1, 0.1])
    assert (equal.value, equal.low, equal.high) == (0.1, 0.1, 0.1)


def test_tensors_and_generators_hold_numbers_too():
    values = [1.5, 2.5, 4.0]
    assert mean_interval(torch.tensor(values)) == mean_interval(values)
    assert mean_interval(v for v in values) == mean_interval(values)


@pytest.mark.parametrize("confidence", LEVELS)
@pytest.mark.parametrize(("successes", "count"), [(0, 10), (3, 10), (10, 10), (673, 10000), (1, 1)])
def test_proportion_interval_is_scipys_wilson(successes, count, confidence):
    theirs = stats.binomtest(successes, count).proportion_ci(confidence, method="wilson")
    found = proportion_interval(successes, count, confidence=confidence)
    assert found.value == successes / count
    assert found.low == pytest.approx(theirs.low, rel=1e-10, abs=1e-15)
    assert found.high == pytest.approx(theirs.high, rel=1e-10)
    assert (found.count, found.confidence, found.method) == (count, confidence, "Wilson")


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_proportion_interval_stays_inside_holds_its_value_and_mirrors(both):
    successes, count = both
    found = proportion_interval(successes, count)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert (found.low == 0) == (successes == 0)
    mirrored = proportion_interval(count - successes, count)
    assert mirrored.low == pytest.approx(1 - found.high, abs=1e-12)


def test_proportion_interval_ends_at_zero_and_at_one_exactly():
    assert {proportion_interval(0, count).low for count in range(1, 500)} == {0.0}
    assert {proportion_interval(count, count).high for count in range(1, 500)} == {1.0}


@pytest.mark.parametrize("confidence", LEVELS)
@pytest.mark.parametrize("count", [2, 5, 40])
def test_paired_difference_is_scipys(count, confidence):
    a, b = runs(1, count), runs(2, count, mean=9.9)
    test = stats.ttest_rel(a, b)
    theirs = test.confidence_interval(confidence)
    found = paired_difference(a, b, confidence=confidence)
    assert found.mean == pytest.approx(sum(a) / count - sum(b) / count, rel=1e-12)
    assert found.p_value == pytest.approx(test.pvalue, rel=1e-10)
    assert found.low == pytest.approx(theirs.low, rel=1e-10)
    assert found.high == pytest.approx(theirs.high, rel=1e-10)
    assert (found.count, found.confidence) == (count, confidence)


def test_paired_difference_turns_with_its_arguments():
    a, b = runs(1, 6), runs(2, 6, mean=10.2)
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert there.mean == -back.mean < 0
    assert there.p_value == back.p_value
    assert there.low == -back.high


def test_a_tiny_p_value_is_not_rounded_to_zero():
    found = paired_difference([x + 5 for x in runs(1, 30)], runs(2, 30))
    assert 0 < found.p_value < 1e-30


def test_differences_without_spread_have_no_p_value():
    equal = paired_difference([0.3, 0.4, 1.3], [0.1, 0.2, 1.1])  # 0.2 but for rounding
    assert (equal.low, equal.high, equal.p_value) == (equal.mean, equal.mean, None)
    assert equal.mean == pytest.approx(0.2)
    same = paired_difference([1.0, 2.0], [1.0, 2.0])
    assert (same.mean, same.low, same.high, same.p_value) == (0, 0, 0, None)


def test_a_small_spread_above_rounding_is_a_spread():
    a = [1.0 + 1e-12, 1.0, 1.0 + 2e-12]
    assert paired_difference(a, [1.0, 1.0, 1.0]).p_value is not None


def test_one_pair_has_no_interval():
    found = paired_difference([3.0], [1.0])
    assert (found.mean, found.low, found.high, found.p_value, found.count) == (
        2,
        None,
        None,
        None,
        1,
    )


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: mean_interval([]),
            "mean_interval: `values` must hold at least one number, got none",
        ),
        (
            lambda: mean_interval([1.0, float("nan")]),
            "`values` must be finite .* got nan at place 1",
        ),
        (lambda: mean_interval([float("inf")]), "got inf at place 0"),
        (lambda: mean_interval(3.0), "`values` must be numbers, one a run, got float"),
        (lambda: mean_interval([1.0, "x"]), "`values` must be numbers, one a run, got list"),
        (lambda: mean_interval([1.0], confidence=95), "mean_interval: `confidence` .* got 95"),
        (lambda: mean_interval([1.0], confidence=0.0), "strictly between 0 and 1, .* got 0"),
        (lambda: proportion_interval(1, 2, confidence=1.0), "proportion_interval: `confidence`"),
        (lambda: proportion_interval(0, 0), "`count` must be at least 1, got 0"),
        (lambda: proportion_interval(3, 2), "`successes` must lie between 0 and `count`, 2, got 3"),
        (lambda: proportion_interval(-1, 2), "got -1"),
        (lambda: paired_difference([1.0, 2.0], [1.0]), "pairs: a has 2 values, b 1"),
        (lambda: paired_difference([], []), "`a` must hold at least one"),
        (lambda: paired_difference([1.0], [float("nan")]), "`b` must be finite .* got nan"),
        (lambda: paired_difference([1.0], [2.0], confidence=2), "paired_difference: `confidence`"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
