"""What a result of an evaluation holds, against counts made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images
from torchlgg.evaluation import evaluate
from torchlgg.graphs import GraphSpec, latent_geometry_graph
from torchlgg.nets import build_net
from torchlgg.records import Result
from torchlgg.training import predict


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return open_images("digits").test


def net(seed: int, name: str = "small_cnn-4") -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_net(name, num_classes=10, in_channels=1)


def values(result: Result) -> dict[str, float]:
    return {measured.name: measured.value for measured in result.measurements}


def test_numbers_against_counts(digits: ImageSet) -> None:
    student, teacher = net(0), net(1, "small_cnn-6")
    found = values(evaluate(student, digits, subject="x", teacher=teacher))
    ours = predict(student, digits).argmax(1)
    theirs = predict(teacher, digits).argmax(1)
    right = theirs == digits.labels
    same = ours == theirs
    assert found["error"] == pytest.approx(100 * float((ours != digits.labels).double().mean()))
    assert found["agreement"] == pytest.approx(100 * float(same.double().mean()))
    assert found["agreement, teacher right"] == pytest.approx(
        100 * float(same[right].double().mean())
    )
    assert found["agreement, teacher wrong"] == pytest.approx(
        100 * float(same[~right].double().mean())
    )


def test_graph_distance_of_each_tap(digits: ImageSet) -> None:
    student, teacher = net(0).eval(), net(1, "small_cnn-6").eval()
    found = values(evaluate(student, digits, subject="x", teacher=teacher))
    x = digits.normalize(digits.images)
    spec = GraphSpec.graph_kd()
    with torch.no_grad():
        a = latent_geometry_graph(student.stage1(x), spec).double()
        b = latent_geometry_graph(teacher.stage1(x), spec).double()
    expected = float((a - b).norm()) / math.hypot(float(a.norm()), float(b.norm()))
    assert found["graph distance stage1"] == pytest.approx(expected, rel=1e-4)
    assert [name for name in found if name.startswith("graph")] == [
        "graph distance stage1",
        "graph distance stage2",
        "graph distance pool",
    ]


def test_a_net_is_its_own_teacher(digits: ImageSet) -> None:
    found = values(evaluate(net(0), digits, subject="x", teacher=net(0)))
    assert found["agreement"] == 100
    assert found["graph distance pool"] == 0


def test_logits_at_hand_are_used(digits: ImageSet) -> None:
    perfect = 10 * torch.nn.functional.one_hot(digits.labels, 10).float()
    result = evaluate(net(0), digits, subject="x", logits=perfect)
    [error] = result.measurements
    assert error.value == 0
    assert error.interval is not None
    assert 0 < error.interval.high < 2
    assert error.count == len(digits)
    assert result.data.sha256 == digits.content_hash()
    # a teacher that is always right has no mistakes to agree with
    with_teacher = evaluate(
        net(0), digits, subject="x", logits=perfect, teacher=net(0), teacher_logits=perfect
    )
    assert "agreement, teacher wrong" not in values(with_teacher)


def test_modes_come_back(digits: ImageSet) -> None:
    student, teacher = net(0).train(), net(0).train()
    evaluate(student, digits.subset(range(20)), subject="x", teacher=teacher)
    assert student.training
    assert teacher.training


def test_taps_that_do_not_pair(digits: ImageSet) -> None:
    with pytest.raises(InputError, match=r"student has 1 \(stage1\) and the teacher 3"):
        evaluate(
            net(0), digits.subset(range(20)), subject="x", teacher=net(0), student_taps=("stage1",)
        )
