from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.records.examples import interval, measurement, result
from torchlgg.core import InputError
from torchlgg.records import DataDescription, Interval, Result

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(value=FINITE, ends=st.tuples(FINITE, FINITE), text=st.text(), count=st.integers(1, 10**12))
def test_a_result_survives_json_to_the_bit(value, ends, text, count):
    low, high = sorted(ends)
    one = measurement(value=value, count=count, unit=text, interval=interval(low=low, high=high))
    before = result(measurements=[one], tags={text: text})
    line = before.to_json()
    after = Result.from_json(line)
    assert after == before
    assert after.measurements[0].value.hex() == value.hex()
    assert "\n" not in line


def test_a_result_is_frozen_and_its_parts_too():
    with pytest.raises(ValueError, match="frozen"):
        result().task = "other"
    with pytest.raises(ValueError, match="frozen"):
        measurement().value = 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_refused(value):
    sentence = rf"^Measurement: `value` must be a finite number, got {value}$"
    with pytest.raises(InputError, match=sentence):
        measurement(value=value)
    with pytest.raises(InputError, match="Interval: `low` must be a finite number"):
        interval(low=value)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: measurement(vlaue=1.0), "Measurement has no field 'vlaue'; did you mean 'value'"),
        (lambda: measurement(value="a"), "Measurement: `value` must be a valid number.*got 'a'"),
        (lambda: measurement(count=0), "`count` must be greater than or equal to 1, got 0"),
        (lambda: measurement(name=""), "`name` must be one line of text .*, got ''"),
        (lambda: measurement(protocol="a\nb"), "`protocol` must be one line of text"),
        (lambda: interval(low=8.0), "`low` must not be above `high`: low is 8, high 7.24"),
        (lambda: interval(confidence=1.0), "`confidence` must be less than 1, got 1.0"),
        (lambda: interval(confidence=95), "`confidence` must be less than 1, got 95"),
        (lambda: Interval(low=1, high=2, confidence=0.9), "Interval: `method` is missing"),
        (lambda: result(measurements=[]), "`measurements` must have at least 1 item"),
        (lambda: result(measurements=[measurement()] * 2), "'error' is there twice"),
        (lambda: result(tags={"seed": 3}), "`tags.seed` must be a valid string, got 3"),
        (lambda: result(sbject="x"), "Result has no field 'sbject'; did you mean 'subject'"),
        (lambda: DataDescription(source="a", counts={"test": -1}), "`counts.test` must be greater"),
        (lambda: DataDescription(source="a", counts={}, sha256="ab"), "`sha256` must match"),
    ],
)
def test_wrong_fields_are_one_sentence(make, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_json_with_a_misspelt_field_names_the_nearest_at_every_depth():
    found = json.loads(result().to_json())
    found["measurements"][1]["valeu"] = found["measurements"][1].pop("value")
    with pytest.raises(InputError, match="Measurement has no field 'valeu'; did you mean 'value'"):
        Result.from_json(json.dumps(found))


def test_json_cut_off_is_one_sentence():
    with pytest.raises(
        InputError, match=r"^Result: not valid JSON \(.*\); was the file cut off\?$"
    ):
        Result.from_json(result().to_json()[:-9])


def test_numbers_of_numpy_become_pythons():
    assert type(measurement(value=np.float32(1.5)).value) is float
    assert type(measurement(count=np.int64(5)).count) is int


def test_a_list_is_as_good_as_a_tuple():
    assert result(measurements=[measurement()]).measurements == (measurement(),)


def test_measurements_are_found_by_name():
    assert result().measurement("loss").name == "loss"
    sentence = "the result of 'teacher' has no measurement 'eror'; did you mean 'error'"
    with pytest.raises(InputError, match=sentence):
        result().measurement("eror")


@pytest.mark.parametrize(
    ("value", "ends", "text"),
    [
        (9.7123, (9.5623, 9.8623), "9.71 [9.56, 9.86]"),
        (9.7123, (7.1, 12.3), "9.7 [7.1, 12.3]"),
        (971.23, (871.0, 1071.0), "971 [871, 1071]"),
        (0.000123456, (0.000123356, 0.000123556), "1.23e-04 [1.23e-04, 1.24e-04]"),
        (-0.0001, (-0.5, 0.5), "0.00 [-0.50, 0.50]"),
        (2.5, (2.5, 2.5), "2.5 [2.5, 2.5]"),
        (6.73, None, "6.73"),
        (3.14159, None, "3.142"),
        (12345.678, None, "12346"),
        (0.0012345, None, "0.001234"),
        (9.99996, None, "10"),
        (5.0, None, "5"),
        (0.0, None, "0"),
        (1e-30, None, "1.00e-30"),
        (-0.25, None, "-0.25"),
    ],
)
def test_numbers_are_written_as_finely_as_they_are_known(value, ends, text):
    around = None if ends is None else interval(low=ends[0], high=ends[1])
    assert measurement(value=value, interval=around).written() == text


def test_a_result_reads_well():
    assert str(result()).splitlines() == [
        "evaluate: teacher",
        "  data: cifar10 (test 10000)",
        "  error 6.73 % [6.26, 7.24] (95 % Wilson, n = 10000)",
        "  loss 6.73 (n = 10000)",
        "  tags: method=none, seed=3",
    ]
    assert str(DataDescription(source="digits", counts={})) == "digits"
    assert "tags" not in str(result(tags={}))
