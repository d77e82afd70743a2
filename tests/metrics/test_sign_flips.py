from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from torchlgg.core import InputError
from torchlgg.metrics import paired_difference, sign_flip_p_value


def by_hand(a, b):
    """Every pattern of signs, one after the other, in whole numbers."""
    differences = [x - y for x, y in zip(a, b, strict=True)]
    found = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(sum_ >= abs(sum(differences)) for sum_ in found) / len(found)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=9))
def test_it_counts_every_pattern_ties_too(pairs):
    a, b = zip(*pairs, strict=True)
    assert sign_flip_p_value(a, b) == by_hand(a, b)
    # tenths are not to be had in binary: ties are ties all the same
    tenths = sign_flip_p_value([x / 10 for x in a], [y / 10 for y in b])
    assert tenths == by_hand(a, b)


@pytest.mark.parametrize("count", [2, 5, 11])
def test_it_is_scipys(count):
    generator = random.Random(count)
    a = [generator.gauss(0.4, 1) for _ in range(count)]
    b = [generator.gauss(0, 1) for _ in range(count)]
    theirs = stats.permutation_test(
        (np.array(a) - np.array(b),),
        np.sum,
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="two-sided",
    )
    assert sign_flip_p_value(a, b) == pytest.approx(theirs.pvalue, rel=1e-12)


def test_it_turns_with_its_arguments_and_does_not_see_their_offset():
    a, b = [3.0, 1.5, 4.25, 2.0], [2.5, 2.0, 2.25, 1.0]
    assert sign_flip_p_value(a, b) == sign_flip_p_value(b, a)
    shifted = sign_flip_p_value([x + 2.0**30 for x in a], [y + 2.0**30 for y in b])
    assert shifted == sign_flip_p_value(a, b)


def test_the_smallest_is_two_patterns():
    for count in (1, 2, 5, 6, 20, 44):
        ones = sign_flip_p_value([1.0] * count, [0.0] * count)
        assert ones == 2.0 / 2**count


def test_many_pairs_agree_with_the_t_test():
    generator = random.Random(0)
    a = [generator.gauss(0.3, 1) for _ in range(40)]
    b = [0.0] * 40
    assert sign_flip_p_value(a, b) == pytest.approx(paired_difference(a, b).p_value, abs=0.02)


def test_no_difference_is_one():
    assert sign_flip_p_value([1.0, 2.0], [1.0, 2.0]) == 1.0
    assert sign_flip_p_value([1.0], [0.0]) == 1.0
    assert sign_flip_p_value([0.3, 0.1], [0.1, 0.3]) == 1.0


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        ([1.0], [1.0, 2.0], "must be pairs: a has 1 values, b 2"),
        ([], [], "`a` must hold at least one number"),
        ([1.0, float("nan")], [1.0, 2.0], "sign_flip_p_value: `a` must be finite"),
        ([1.0] * 45, [0.0] * 45, "at most 44 pairs, got 45"),
    ],
)
def test_bad_input_is_a_sentence(a, b, sentence):
    with pytest.raises(InputError, match=sentence):
        sign_flip_p_value(a, b)
