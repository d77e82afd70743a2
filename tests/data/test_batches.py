from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchlgg.core import InputError
from torchlgg.data import batches


@given(
    count=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    shuffled=st.booleans(),
    drop_last=st.booleans(),
)
def test_each_position_comes_once(
    count: int, batch_size: int, shuffled: bool, drop_last: bool
) -> None:
    generator = torch.Generator().manual_seed(count) if shuffled else None
    drop_last = drop_last and count >= batch_size
    found = batches(count, batch_size=batch_size, generator=generator, drop_last=drop_last)
    sizes = [len(batch) for batch in found]
    assert all(batch.dtype == torch.int64 for batch in found)
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    visited = torch.cat(found).tolist()
    assert len(set(visited)) == len(visited)
    if drop_last:
        assert len(visited) == count // batch_size * batch_size
        assert set(visited) <= set(range(count))
    else:
        assert sorted(visited) == list(range(count))
    if not shuffled:
        assert visited == list(range(len(visited)))


def test_the_generator_draws_one_permutation_a_pass() -> None:
    generator = torch.Generator().manual_seed(7)
    state = torch.get_rng_state()
    first = torch.cat(batches(50, batch_size=8, generator=generator))
    second = torch.cat(batches(50, batch_size=8, generator=generator))
    assert torch.equal(torch.get_rng_state(), state)
    expected = torch.Generator().manual_seed(7)
    assert torch.equal(first, torch.randperm(50, generator=expected))
    assert torch.equal(second, torch.randperm(50, generator=expected))


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (0, {"batch_size": 4}, "`count` must be at least 1, got 0"),
        (5, {"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        (
            5,
            {"batch_size": 6, "drop_last": True},
            "`batch_size` must be at most `count` when `drop_last` is set, or no batch is left: "
            "got 6 for 5 examples",
        ),
    ],
)
def test_other_numbers_are_refused(count: int, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        batches(count, **options)
