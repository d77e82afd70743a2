from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchlgg.core import InputError
from torchlgg.data import balanced_batches

LABELS = st.lists(st.integers(0, 25), min_size=1, max_size=7).flatmap(
    lambda counts: st.permutations([c for c, count in enumerate(counts) for _ in range(count)])
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=100)
@given(labels=LABELS.filter(len), data=st.data(), examples=st.integers(1, 9))
def test_what_is_promised(labels: list[int], data: st.DataObject, examples: int) -> None:
    members = Counter(labels)
    classes = data.draw(st.integers(1, len(members)))
    plan = balanced_batches(
        torch.tensor(labels), classes=classes, examples=examples, generator=generator(len(labels))
    )
    assert len(plan) == max(1, len(labels) // (classes * examples))
    visits: Counter[int] = Counter()
    seen: Counter[int] = Counter()
    for batch in plan:
        assert batch.dtype == torch.int64
        rows = batch.tolist()
        found = [labels[row] for row in rows]
        # Class by class, all different, the same number of examples each.
        kinds = found[::examples]
        assert found == [kind for kind in kinds for _ in range(examples)]
        assert len(set(kinds)) == len(kinds) == classes
        # An image comes twice in a batch only where its class is too small, and then evenly.
        for start, kind in enumerate(kinds):
            inside = Counter(rows[start * examples : (start + 1) * examples])
            if members[kind] >= examples:
                assert max(inside.values()) == 1
        visits.update(kinds)
        seen.update(rows)
        # Rounds: at any time the visits of two classes, and those of two images of a class,
        # differ by one at most.
        assert max(visits.values()) - min(visits[kind] for kind in members) <= 1
        for kind in members:
            of_class = [seen[row] for row, label in enumerate(labels) if label == kind]
            assert max(of_class) - min(of_class) <= 1


def test_only_the_generator_decides() -> None:
    labels = torch.arange(60) % 6
    torch.manual_seed(3)
    state = torch.get_rng_state()

    def plan(seed: int) -> list[int]:
        batches = balanced_batches(labels, classes=3, examples=4, generator=generator(seed))
        return torch.cat(batches).tolist()

    assert plan(1) == plan(1) != plan(2)
    assert torch.equal(torch.get_rng_state(), state)
    source = generator(1)
    first, second = (
        torch.cat(balanced_batches(labels, classes=3, examples=4, generator=source)).tolist()
        for _ in range(2)
    )
    assert first == plan(1) != second


def test_every_order_comes_up() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    counts = Counter(
        int(balanced_batches(labels, classes=1, examples=1, generator=generator(seed))[0])
        for seed in range(400)
    )
    # 100 are expected of each, +- 6 deviations
    assert set(counts) == {0, 1, 2, 3}
    assert all(48 <= count <= 152 for count in counts.values())


def test_a_pass_over_equal_classes_visits_every_image_once() -> None:
    labels = torch.arange(48) % 4
    plan = balanced_batches(labels, classes=4, examples=6, generator=generator(0))
    assert sorted(torch.cat(plan).tolist()) == list(range(48))


def test_labels_need_not_count_from_nought() -> None:
    labels = torch.tensor([7, 7, 3, 3, 900])
    (batch,) = balanced_batches(labels, classes=3, examples=1, generator=generator(0))
    assert sorted(labels[batch].tolist()) == [3, 7, 900]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (
            torch.tensor([0, 1, 1]),
            {"classes": 3},
            "`classes` must be at most the number of classes that have images, 2, got 3",
        ),
        (torch.tensor([0]), {"classes": 0}, "`classes` must be a whole number of at least 1, got"),
        (torch.tensor([0]), {"examples": 2.0}, "`examples` must be a whole number of at least 1"),
        (torch.tensor([0]), {"examples": True}, "`examples` must be a whole number of at least"),
        (
            torch.zeros(0, dtype=torch.int64),
            {},
            "`classes` must be at most the number of classes that have images, 0, got 1",
        ),
        (
            torch.tensor([0.0]),
            {},
            "`labels` must be an int64 tensor (N,), got torch.float32 of shape (1,)",
        ),
        ([0, 1], {}, "`labels` must be an int64 tensor (N,), got list"),
    ],
)
def test_what_cannot_be_drawn_is_said_so(
    labels: Any, options: dict[str, Any], message: str
) -> None:
    settings = {"classes": 1, "examples": 1} | options
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        balanced_batches(labels, generator=generator(0), **settings)


def test_a_set_smaller_than_a_batch_gives_one_batch() -> None:
    labels = torch.tensor([0, 1, 1])
    (batch,) = balanced_batches(labels, classes=2, examples=4, generator=generator(0))
    assert sorted(labels[batch].tolist()) == [0] * 4 + [1] * 4
    assert sorted(batch.tolist()) == [0] * 4 + [1, 1, 2, 2]
