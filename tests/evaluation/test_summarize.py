from __future__ import annotations

import pytest

from torchlgg.core import InputError
from torchlgg.evaluation import compare, summarize
from torchlgg.metrics import mean_interval, paired_difference, sign_flip_p_value
from torchlgg.records import DataDescription, Measurement, Result

DATA = DataDescription(source="digits", sha256="0a" * 32, counts={"test": 360})
ERRORS = {"alone": [10.1, 10.0, 10.2, 10.1], "gkd": [9.6, 9.9, 9.5, 9.8], "hkd": [9.7, 9.8, 9.9]}


def measured(name, value, **changes):
    fields = {"name": name, "value": value, "unit": "%", "count": 360, "protocol": "Test images."}
    return Measurement(**(fields | changes))


def run(recipe, seed, error, *more, **changes):
    fields = {
        "task": "evaluate",
        "subject": f"{recipe} seed {seed}",
        "data": DATA,
        "measurements": (measured("error", error), *more),
        "tags": {"recipe": recipe, "network": "wrn10-1", "seed": str(seed)},
    }
    return Result(**(fields | changes))


RUNS = [run(recipe, seed, e) for recipe, es in ERRORS.items() for seed, e in enumerate(es)]


def test_a_summary_a_recipe_with_the_interval_of_its_seeds():
    summaries = summarize(RUNS)
    assert [summary.tags for summary in summaries] == [
        {"recipe": recipe, "network": "wrn10-1"} for recipe in ERRORS
    ]
    for summary, values in zip(summaries, ERRORS.values(), strict=True):
        expected = mean_interval(values)
        found = summary.measurement("error")
        assert (summary.task, summary.data) == ("summary", DATA)
        assert (found.value, found.unit, found.count) == (expected.value, "%", len(values))
        assert (found.interval.low, found.interval.high) == (expected.low, expected.high)
        assert found.interval.description == "95 % Student t"
        assert found.protocol == "Mean over seeds; test images."
    assert summaries[2].subject == "hkd, 3 seeds"
    half = summarize(RUNS, confidence=0.5)[0].measurement("error").interval
    assert half.high - half.low < expected.high - expected.low
    assert half.confidence == 0.5


def test_a_single_seed_has_no_interval():
    (summary,) = summarize(RUNS[:1])
    assert summary.measurement("error").interval is None
    assert summary.subject == "alone, 1 seed"


def test_groups_by_several_tags():
    other = [run("gkd", seed, 5.0, tags={"recipe": "gkd", "network": "big", "seed": str(seed)})
             for seed in (0, 1)]  # fmt: skip
    summaries = summarize([*RUNS, *other], by=("recipe", "network"))
    assert summaries[-1].tags == {"recipe": "gkd", "network": "big"}
    assert summaries[-1].subject == "gkd, big, 2 seeds"
    (both,) = summarize([RUNS[0], run("gkd", 1, 5.0)], by="network")
    assert both.tags == {"network": "wrn10-1"}
    assert both.measurement("error").count == 2


def test_only_what_every_run_measured_is_averaged():
    runs = [run("gkd", 0, 9.0, measured("loss", 1.0)), run("gkd", 1, 9.0)]
    (summary,) = summarize(runs)
    assert [m.name for m in summary.measurements] == ["error"]
    other = run("gkd", 1, 9.0, measurements=[measured("loss", 1.0)])
    with pytest.raises(InputError, match="the runs of gkd have no measurement in common"):
        summarize([run("gkd", 0, 9.0), other])


def test_ways_that_differ_are_both_said():
    other = run("gkd", 1, 9.0, measurements=[measured("error", 9.0, protocol="All images.")])
    (summary,) = summarize([run("gkd", 0, 9.0), other])
    assert summary.measurements[0].protocol == (
        "Mean over seeds; taken in different ways: test images. | all images."
    )


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        (
            [run("gkd", 0, 9.0, tags={"recipes": "gkd", "seed": "0"})],
            r"must have the tag 'recipe', that of 'gkd seed 0' does not; did you mean 'recipes'",
        ),
        ([run("gkd", 0, 9.0, tags={})], r"does not; it has none"),
        ([run("gkd", 0, 9.0, tags={"recipe": "gkd"})], r"must have the tag 'seed'"),
        (
            [run("gkd", 0, 9.0), run("gkd", 0, 8.0, subject="again")],
            r"one a seed: 'gkd seed 0' and 'again' are both of gkd, seed 0",
        ),
        (
            [run("gkd", 0, 9.0), run("gkd", 1, 8.0, data=DataDescription(source="a", counts={}))],
            r"on the same data .*'gkd seed 0' is of digits .*'gkd seed 1' of a$",
        ),
        (
            [
                run("gkd", 0, 9.0),
                run("gkd", 1, 8.0, data=DATA.model_copy(update={"sha256": "0b" * 32})),
            ],
            "whose contents differ",
        ),
        (
            [run("a", 0, 9.0), run("a", 1, 8.0, measurements=[measured("error", 1.0, unit="s")])],
            "'error' must have one unit in all results, got '%' and 's'",
        ),
    ],
)
def test_what_cannot_be_averaged_is_a_sentence(runs, sentence):
    with pytest.raises(InputError, match=sentence):
        summarize(runs)


def test_every_two_recipes_are_compared_over_their_common_seeds():
    comparisons = compare(RUNS)
    pairs = [("gkd", "alone"), ("hkd", "alone"), ("hkd", "gkd")]
    assert [(c.tags["of"], c.tags["minus"]) for c in comparisons] == pairs
    for comparison, (of, minus) in zip(comparisons, pairs, strict=True):
        count = min(len(ERRORS[of]), len(ERRORS[minus]))
        pair = (ERRORS[of][:count], ERRORS[minus][:count])
        expected = paired_difference(*pair)
        found = comparison.measurement("difference")
        assert comparison.task == "comparison"
        assert comparison.measurement("common seeds").value == count
        assert (found.value, found.count, found.unit) == (expected.mean, count, "%")
        assert (found.interval.low, found.interval.high) == (expected.low, expected.high)
        assert comparison.measurement("paired t test").value == expected.p_value
        assert comparison.measurement("sign-flip test").value == sign_flip_p_value(*pair)


def test_seeds_pair_by_their_name_and_not_by_their_place():
    forth = compare(RUNS[:8])[0]
    back = compare([*RUNS[:4], *reversed(RUNS[4:8])])[0]
    for one, other in zip(forth.measurements, back.measurements, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-12)


@pytest.mark.parametrize(("seeds", "common"), [((7, 8), 0), ((3, 8), 1)])
def test_fewer_than_two_common_seeds_give_no_number(seeds, common):
    (found,) = compare([*RUNS[:4], *(run("gkd", seed, 9.0) for seed in seeds)])
    (only,) = found.measurements
    assert (only.name, only.value) == ("common seeds", common)
    assert "a difference needs two" in only.protocol


def test_differences_without_spread_have_no_t_test():
    same = [run("gkd", seed, error - 1) for seed, error in enumerate(ERRORS["alone"])]
    (found,) = compare([*RUNS[:4], *same])
    assert [m.name for m in found.measurements] == ["common seeds", "difference", "sign-flip test"]
    assert found.measurement("sign-flip test").value == 0.125


def test_a_run_without_the_measurement_is_no_common_seed():
    lacks = run("gkd", 3, 0.0, measurements=[measured("loss", 1.0)])
    (found,) = compare([*RUNS[:7], lacks])
    assert found.measurement("common seeds").value == 3


def test_one_recipe_has_nothing_to_compare():
    assert compare(RUNS[:4]) == []


def test_what_cannot_be_compared_is_a_sentence():
    with pytest.raises(InputError, match="no result has 'eror'; did you mean 'error'"):
        compare(RUNS, measurement="eror")
    other = [run("b", s, 1.0, data=DataDescription(source="b", counts={})) for s in (0, 1)]
    with pytest.raises(InputError, match="measured on the same data"):
        compare([*RUNS, *other])
    other = [run("b", s, 1.0, measurements=[measured("error", 1.0, unit="s")]) for s in (0, 1)]
    with pytest.raises(InputError, match="one unit"):
        compare([*RUNS, *other])
