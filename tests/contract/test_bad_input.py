"""Each bad input gives one sentence: the argument in backticks, what is expected, what came."""

from __future__ import annotations

import re

import pytest
import torch

from tests.contract.cases import CASES, GRAPH_OPTIONS, HARD_LABELS, Case, N
from torchlgg.core import InputError
from torchlgg.graphs import GraphSpec, class_edges, graph_edges, latent_geometry_graph
from torchlgg.losses import (
    correlation_congruence_loss,
    dist_loss,
    graph_distillation_loss,
    graph_smoothness_loss,
    smoothness_variation_loss,
    soft_target_loss,
)
from torchlgg.signals import label_indicators, laplacian, smoothness

X = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))

FEATURES = [case for case in CASES.values() if case.takes_taps]
LOGITS = [case for case in CASES.values() if case.kind == "logits"]
LABELLED = [case for case in CASES.values() if case.kind in ("labelled", "layers")]

features = pytest.mark.parametrize("case", FEATURES, ids=str)
logits = pytest.mark.parametrize("case", LOGITS, ids=str)
labelled = pytest.mark.parametrize("case", LABELLED, ids=str)
everything = pytest.mark.parametrize("case", CASES.values(), ids=str)


def refuses(*words: str):
    """An InputError whose message is one sentence with these words, in this order."""
    return pytest.raises(InputError, match="(?s)" + ".*".join(map(re.escape, words)))


def with_bad_values(x: torch.Tensor) -> torch.Tensor:
    """Three bad values, the first in row 2."""
    bad = x.detach().clone().reshape(len(x), -1)
    bad[2, 1], bad[5, 0], bad[5, 1] = float("nan"), float("inf"), float("-inf")
    return bad.reshape(x.shape)


def arguments(case: Case):
    call = case.call(case.settings[0])
    return *call.args, call.options


# ------------------------------------------------------------------------- student and teacher


@features
def test_batches_of_different_size(case):
    student, teacher, options = arguments(case)
    with refuses(
        f"{case.name}: `student` and `teacher` must describe the same examples",
        "student has 5 rows, teacher 7",
    ):
        case.function(student[:5], teacher, **options)
    with refuses("`student[1]`", "`teacher[1]`", "3 rows", "7"):
        case.function([student, student[:3]], [teacher, teacher], **options)


@logits
def test_logits_of_different_shape(case):
    student, teacher, options = arguments(case)
    for bad in (student[:5], student[:, :3]):
        shape = str(tuple(bad.shape))
        with refuses(case.name, "`student_logits` and `teacher_logits`", shape, "(7, 4)"):
            case.function(bad, teacher, **options)
    with refuses("`student_logits` must be of shape (N, C), got (28,)"):
        case.function(student.flatten(), teacher.flatten(), **options)


@features
def test_taps_that_do_not_pair(case):
    student, teacher, options = arguments(case)
    with refuses("must hold the same number of taps", "student has 2, teacher 1"):
        case.function([student, student], [teacher], **options)
    with refuses("must hold the same number of taps", "student has 2, teacher 1"):
        case.function({"a": student, "b": student}, teacher, **options)
    with refuses("holds no tap"):
        case.function([], [], **options)
    with refuses("`student[1]` must be a tensor", "got int"):
        case.function([student, 3], [teacher, teacher], **options)
    with refuses("`student` must be a tensor", "got str"):
        case.function("layer1", teacher, **options)


@features
def test_bad_values_name_the_tap_the_row_and_the_count(case):
    student, teacher, options = arguments(case)
    bad = with_bad_values(student)
    count = f"3 of its {bad.numel()} values"
    with refuses(f"{case.name}: `student` must be finite", count, "row 2"):
        case.function(bad, teacher, **options)
    with refuses("`student[1]` must be finite", count, "row 2"):
        case.function([student, bad], [teacher, teacher], **options)
    with refuses("`student['layer2']` must be finite", count, "row 2"):
        named = {"layer1": student, "layer2": bad}
        case.function(named, {"layer1": teacher, "layer2": teacher}, **options)
    with refuses("`teacher` must be finite", f"3 of its {teacher.numel()} values", "row 2"):
        case.function(student, with_bad_values(teacher), **options)


@logits
def test_bad_logits_name_the_row_and_the_count(case):
    student, teacher, options = arguments(case)
    with refuses(f"{case.name}: `student_logits` must be finite", "3 of its 28", "row 2"):
        case.function(with_bad_values(student), teacher, **options)
    with refuses("`teacher_logits` must be finite", "3 of its 28", "row 2"):
        case.function(student, with_bad_values(teacher), **options)


@features
def test_whole_numbers_are_not_features(case):
    student, teacher, options = arguments(case)
    with refuses("must hold floating-point features", "torch.int64"):
        case.function(student, teacher.long(), **options)


@features
def test_an_empty_batch(case):
    student, teacher, options = arguments(case)
    with refuses("at least one example", "(0, "):
        case.function(student[:0], teacher[:0], **options)


# --------------------------------------------------------------------------------- the labels


@labelled
def test_labels_of_another_length(case):
    first, labels, options = arguments(case)
    with refuses(case.name, "`labels`", "7", "5"):
        case.function(first, labels[:5], **options)


@labelled
@pytest.mark.parametrize("bad", [None, [0, 1, 2, 0, 1, 1, 0], X[:, 0], X.reshape(N, 2, 2)])
def test_labels_that_are_none(case, bad):
    first, _, options = arguments(case)
    with refuses("`labels` must be"):
        case.function(first, bad, **options)


def test_bad_values_in_embeddings_and_layers():
    x = X
    bad = with_bad_values(x)
    with refuses("graph_smoothness_loss: `embeddings` must be finite; 3 of its 28", "row 2"):
        graph_smoothness_loss(bad, HARD_LABELS)
    with refuses("smoothness_variation_loss: `layers[1]` must be finite; 3 of its 28", "row 2"):
        smoothness_variation_loss([x, bad], HARD_LABELS)
    with refuses("`layers['relu2']` must be finite; 3 of its 28", "row 2"):
        smoothness_variation_loss({"relu1": x, "relu2": bad}, HARD_LABELS)


def test_layers_that_cannot_be_compared():
    x = X
    for layers in ([], [x], x, {"relu": x}):
        with refuses("`layers` must hold at least two layers"):
            smoothness_variation_loss(layers, HARD_LABELS)
    with refuses("`layers[0]` and `layers[1]`", "7 rows", "3"):
        smoothness_variation_loss([x, x[:3]], HARD_LABELS)


@pytest.mark.parametrize("edges", ["intra", "inter"])
def test_edges_of_classes_need_labels(edges):
    x = X
    with refuses(f"`edges={edges!r}` needs `labels`"):
        graph_distillation_loss(x, x, edges=edges)
    with refuses("`labels` must have one entry per example: 7 examples, labels of shape (3,)"):
        graph_distillation_loss(x, x, edges=edges, labels=HARD_LABELS[:3])
    with refuses("`labels` must be one whole number per example", "(7, 3)"):
        graph_distillation_loss(x, x, edges=edges, labels=X[:, :3])


def test_class_labels_as_signals():
    with refuses("`labels` must lie in [0, 2), got 0 to 2"):
        label_indicators(HARD_LABELS, 2)
    with refuses("`labels`", "-1"):
        label_indicators(HARD_LABELS - 1)


# -------------------------------------------------------------------------------- the options


@pytest.mark.parametrize(
    ("case", "option"),
    [
        pytest.param(case, option, id=f"{case.name}-{option}")
        for case in CASES.values()
        for option in case.choices
    ],
)
@pytest.mark.parametrize("bad", ["nonsense", 3.5])
def test_an_unknown_choice_lists_the_known(case, option, bad):
    call = case.call(case.settings[0])
    known = ", ".join(map(repr, case.choices[option]))
    with refuses(f"{case.name}: `{option}` must be one of {known}; got {bad!r}"):
        case.function(*call.args, **{**call.options, option: bad})
    with refuses(f"`{option}` must be one of {known}; got {bad!r}"):
        case.module(**{**case.settings[0], option: bad})


@pytest.mark.parametrize(
    "option", ["similarity", "neighbors", "normalization", "threshold", "weights"]
)
@pytest.mark.parametrize("bad", ["nonsense", 3.5])
def test_an_unknown_graph_choice_lists_the_known(option, bad):
    with pytest.raises(InputError) as caught:
        GraphSpec(**{option: bad})
    message = str(caught.value)
    assert f"`{option}` must be one of" in message
    assert f"got {bad!r}" in message
    assert all(repr(known) in message for known in GRAPH_OPTIONS[option])


def test_a_near_miss_is_named():
    with refuses("`similarity`", "did you mean 'cosine'"):
        GraphSpec(similarity="cosin")
    with refuses("`edges`", "did you mean 'intra'"):
        class_edges(HARD_LABELS, "intar")


@pytest.mark.parametrize("bad", [0, -1, 2.5, "3", True, float("nan")])
def test_k_is_a_whole_number(bad):
    with refuses("`k` must be a whole number", "at least 1", f"got {bad!r}"):
        GraphSpec(k=bad)


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), "modal", None])
def test_bandwidth_is_positive(bad):
    with refuses("`bandwidth` must be", f"got {bad!r}"):
        GraphSpec(bandwidth=bad)


@pytest.mark.parametrize("option", ["include_self", "center"])
def test_switches_are_true_or_false(option):
    with refuses(f"`{option}` must be one of True, False; got 'yes'"):
        GraphSpec(**{option: "yes"})


def test_k_fits_the_batch():
    x, y = X, X[:, :3]
    spec = GraphSpec(k=N)
    sentence = ("`k` must be less than the number of examples", "k=7 for 7 examples")
    for call in (
        lambda: latent_geometry_graph(x, spec),
        lambda: graph_edges(x, spec),
        lambda: graph_distillation_loss(x, y, spec=spec),
        lambda: graph_distillation_loss([x], [y], spec=spec, mask_from="teacher"),
        lambda: graph_smoothness_loss(x, HARD_LABELS, k=N),
        lambda: smoothness_variation_loss([x, y], HARD_LABELS, spec=spec),
    ):
        with refuses(*sentence):
            call()


def test_a_spec_is_a_spec():
    x = X
    for bad in ("cosine", {"k": 3}, None):
        for call in (
            lambda bad=bad: latent_geometry_graph(x, bad),
            lambda bad=bad: graph_edges(x, bad),
            lambda bad=bad: graph_distillation_loss(x, x, spec=bad),
            lambda bad=bad: smoothness_variation_loss([x, x], HARD_LABELS, spec=bad),
        ):
            with refuses("`spec` must be a GraphSpec", type(bad).__name__):
                call()


@pytest.mark.parametrize("bad", [0, -2, 1.5, True])
def test_power_is_a_whole_number(bad):
    x = X
    for call in (
        lambda: graph_distillation_loss(x, x, power=bad),
        lambda: smoothness_variation_loss([x, x], HARD_LABELS, power=bad),
        lambda: smoothness(torch.ones(N, N), x, bad),
    ):
        with refuses("`power` must be a whole number, at least 1", f"got {bad!r}"):
            call()


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), "4"])
def test_numbers_that_must_be_positive(bad):
    x = X
    for option, call in (
        ("alpha", lambda: graph_smoothness_loss(x, HARD_LABELS, alpha=bad)),
        ("temperature", lambda: soft_target_loss(x, x, temperature=bad)),
        ("temperature", lambda: dist_loss(x, x, temperature=bad)),
        ("gamma", lambda: correlation_congruence_loss(x, x, gamma=bad)),
    ):
        with refuses(f"`{option}` must be positive", f"got {bad!r}"):
            call()


def test_order_is_a_whole_number():
    x = X
    for bad in (0, 1.5):
        with refuses("`order` must be a whole number, at least 1", f"got {bad!r}"):
            correlation_congruence_loss(x, x, order=bad)


def test_the_temperature_has_no_default():
    x = X
    with pytest.raises(TypeError, match="temperature"):
        soft_target_loss(x, x)


# ------------------------------------------------------------------------- graphs and signals


def test_features_of_a_graph():
    x = X
    for function in (latent_geometry_graph, graph_edges):
        with refuses(f"{function.__name__}: `features` must be finite; 3 of its 28", "row 2"):
            function(with_bad_values(x))
        with refuses("`features` must be a tensor", "got list"):
            function([x])
        with refuses("`features` must hold floating-point features", "torch.int64"):
            function(x.long())


@pytest.mark.parametrize("bad", [torch.ones(3, 3).bool(), torch.ones(N, N)])
def test_masks_of_pairs(bad):
    x = X
    came = (str(bad.dtype), str(tuple(bad.shape)))
    with refuses("`mask`", "boolean of shape (7, 7)", *came):
        latent_geometry_graph(x, mask=bad)
    for function in (latent_geometry_graph, graph_edges):
        with refuses("`within`", "boolean of shape (7, 7)", *came):
            function(x, within=bad)


def test_laplacian_and_signals():
    w = X @ X.T
    with refuses("`adjacency` must be a square", "(3, 7)"):
        laplacian(w[:3])
    with refuses("`normalization` must be one of 'symmetric', 'random_walk', None; got 'symmetrc'"):
        laplacian(w, "symmetrc")
    with refuses("`signals` must have one row per vertex", "(3, 2)"):
        smoothness(w, X[:3, :2])
    with refuses("`by` must be one of 'class', 'vertex', None; got 'node'"):
        smoothness(w, X[:, :2], by="node")
    with refuses("`signals`", "torch.int64", "label_indicators"):
        smoothness(w, HARD_LABELS)
    with refuses("`adjacency` must be finite"):
        smoothness(w * float("nan"), X[:, :2])


def test_equal_names_in_another_order():
    x = X
    with refuses("the same names in another order"):
        graph_distillation_loss({"a": x, "b": 2 * x}, {"b": x, "a": x})
