"""Attention transfer beyond its contract: which taps it takes, dead maps, large powers."""

from __future__ import annotations

import pytest
import torch

from torchlgg.core import InputError
from torchlgg.losses import attention_transfer_loss


def maps(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_channels_do_not_matter_but_positions_do():
    s = maps(0, 5, 4, 3, 3)
    assert attention_transfer_loss(s, s.flip(1).repeat(1, 2, 1, 1)) == pytest.approx(0, abs=1e-15)
    assert attention_transfer_loss(s, s.flip(2)) > 1e-4


def test_a_dead_map_looks_nowhere():
    s, t = maps(0, 5, 4, 3, 3), maps(1, 5, 2, 3, 3)
    s[2] = 0
    s.requires_grad_(True)
    value = attention_transfer_loss(s, t)
    value.backward()
    assert not s.grad[2].any()
    assert s.grad[1].any()
    live = [0, 1, 3, 4]
    alone = attention_transfer_loss(s.detach()[live], t[live])
    # the teacher's attention has norm 1 there, spread over 9 positions of 5 examples
    torch.testing.assert_close(value.detach(), alone * 4 / 5 + 1 / (9 * 5))


@pytest.mark.parametrize("power", [1, 2, 4, 9])
@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_no_power_overflows(power, size):
    s, t = (maps(seed, 5, 4, 3, 3, dtype=torch.float32) for seed in (0, 1))
    expected = attention_transfer_loss(s, t, power=power)
    s = (size * s).requires_grad_(True)
    value = attention_transfer_loss(s, size * t, power=power)
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-7)
    value.backward()
    assert s.grad.isfinite().all()
    assert s.grad.any()


def test_vectors_have_no_attention():
    s, vector = maps(0, 5, 4, 3, 3), maps(1, 5, 4)
    with pytest.raises(InputError, match=r"`teacher` must be feature maps.*got \(5, 4\); leave"):
        attention_transfer_loss(s, vector)
    with pytest.raises(InputError, match=r"`student\['pool'\]` must be feature maps"):
        attention_transfer_loss({"layer1": s, "pool": vector}, {"layer1": s, "pool": vector})


def test_maps_of_different_resolution_are_named():
    s, t = maps(0, 5, 4, 3, 3), maps(1, 5, 4, 6, 6)
    sentence = (
        r"`student\['layer1'\]` and `teacher\['stage1'\]` must have the same height and width: "
        r"student\['layer1'\] has \(3, 3\), teacher\['stage1'\] \(6, 6\); pair taps of equal"
    )
    with pytest.raises(InputError, match=sentence):
        attention_transfer_loss({"layer1": s}, {"stage1": t})
    turned = t.reshape(5, 4, 4, 9)
    with pytest.raises(InputError, match=r"has \(4, 9\), teacher \(6, 6\)"):
        attention_transfer_loss(turned, t)


@pytest.mark.parametrize("bad", [0, -2, 1.5, True])
def test_power_is_a_whole_number(bad):
    s = maps(0, 5, 4, 3, 3)
    with pytest.raises(InputError, match="`power` must be a whole number, at least 1"):
        attention_transfer_loss(s, s, power=bad)
