"""Classifiers on embeddings, against scikit-learn and counts by hand."""

from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from torchlgg.core import InputError
from torchlgg.data import ImageSet, open_images
from torchlgg.evaluation import embed, evaluate_embeddings
from torchlgg.metrics import nearest_neighbors
from torchlgg.nets import build_net


def clouds(count: int, seed: int, spread: float = 1.5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=generator)
    centers = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    return centers[labels] + spread * torch.randn(count, 2, generator=generator), labels


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return open_images("digits").test


@pytest.mark.parametrize("k", [1, 3, 10, 60])
def test_neighbors_are_those_of_scikit_learn(k: int) -> None:
    (train, labels), (test, _) = clouds(60, 0), clouds(1500, 1)
    theirs = KNeighborsClassifier(k, algorithm="brute").fit(train.double(), labels)
    votes = torch.from_numpy(theirs.predict_proba(test.double()))
    ours = nearest_neighbors(train, labels, test, k=k)
    best = votes == votes.amax(dim=1, keepdim=True)
    assert bool(best.gather(1, ours[:, None]).all())
    alone = best.sum(dim=1) == 1
    assert torch.equal(ours[alone], votes.argmax(dim=1)[alone])


def test_a_tie_goes_to_the_nearest() -> None:
    train = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    labels = torch.tensor([2, 1, 1, 2])
    near = torch.tensor([[0.3], [1.2], [2.9]])
    assert nearest_neighbors(train, labels, near, k=4).tolist() == [2, 1, 2]


def test_far_from_the_origin_neighbors_stay_the_same() -> None:
    (train, labels), (test, _) = clouds(60, 0), clouds(50, 1)
    near = nearest_neighbors(train.double(), labels, test.double(), k=3)
    far = nearest_neighbors(train.double() + 1e6, labels, test.double() + 1e6, k=3)
    assert torch.equal(near, far)


def test_four_errors() -> None:
    (train, labels), (test, truth) = clouds(300, 0), clouds(400, 1)
    result = evaluate_embeddings(train, labels, test, truth, subject="clouds", source="made")
    found = {measured.name: measured for measured in result.measurements}
    assert list(found) == ["1-NN error", "10-NN error", "linear probe error", "RBF SVC error"]
    wrong = nearest_neighbors(train, labels, test, k=10) != truth
    assert found["10-NN error"].value == pytest.approx(100 * float(wrong.double().mean()))
    # one neighbour believes the noise that ten average out
    assert found["1-NN error"].value > found["10-NN error"].value + 3
    for name in ("linear probe error", "RBF SVC error"):
        assert 10 < found[name].value < found["1-NN error"].value
    assert result.data.counts == {"train": 300, "test": 400}


def test_embeddings_are_the_pooled_tap(digits: ImageSet) -> None:
    torch.manual_seed(0)
    net = build_net("small_cnn-4", num_classes=10, in_channels=1).train()
    maps = embed(net, digits, tap="stage2", batch_size=100)
    assert net.training
    net.eval()
    x = digits.normalize(digits.images)
    with torch.no_grad():
        expected = net.stage2(net.stage1(x)).mean(dim=(2, 3))
    torch.testing.assert_close(maps, expected)


def test_sentences(digits: ImageSet) -> None:
    (train, labels), (test, truth) = clouds(30, 0), clouds(9, 1)

    def judge(*args: torch.Tensor) -> None:
        evaluate_embeddings(*args, subject="x", source="y")

    with pytest.raises(InputError, match=r"30 examples, labels of shape \(29,\)"):
        judge(train, labels[:29], test, truth)
    with pytest.raises(InputError, match="train has 2 features, test 1"):
        judge(train, labels, test[:, :1], truth)
    with pytest.raises(InputError, match="at least two classes, got 30 of 1"):
        judge(train, torch.zeros(30, dtype=torch.long), test, truth)
    with pytest.raises(InputError, match=r"`k` must be at most .* k=31 for 30"):
        nearest_neighbors(train, labels, test, k=31)
    net = build_net("small_cnn-4", num_classes=10, in_channels=1)
    with pytest.raises(InputError, match="did you mean 'pool'"):
        embed(net, digits, tap="pol")
