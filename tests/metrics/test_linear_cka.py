"""Linear CKA: its definition, what leaves it alone, and what it makes of batches without spread."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torchlgg.core import InputError
from torchlgg.metrics import linear_cka


def features(count, width, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=dtype)


def oracle(a, b):
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with tr(K H L H) and H = I - 1/N."""
    h = np.eye(len(a)) - 1 / len(a)

    def hsic(k, m):
        return np.trace(k @ h @ m @ h)

    k, m = a @ a.T, b @ b.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


@pytest.mark.parametrize("shape", [(40, 3, 5), (40, 5, 3), (6, 30, 20), (6, 3, 40), (2, 1, 1)])
def test_the_definition_by_either_form(shape):
    count, *widths = shape
    a, b = (features(count, width, seed) for seed, width in enumerate(widths))
    assert linear_cka(a, b) == pytest.approx(oracle(a.numpy(), b.numpy()), rel=1e-10)
    assert linear_cka(a, b) == pytest.approx(linear_cka(b, a), rel=1e-12)


@pytest.mark.parametrize("width", [4, 60])
def test_rotation_offset_and_scale_leave_it_alone(width):
    a, b = features(20, width, 0), features(20, 7, 1)
    turn = torch.linalg.qr(features(width, width, 2)).Q
    assert linear_cka(5e4 * (a @ turn) + 3, b) == pytest.approx(linear_cka(a, b), rel=1e-9)
    assert linear_cka(a @ turn, a) == pytest.approx(1, rel=1e-12)


def test_a_network_s_numbers():
    a = features(50, 6, 0, torch.float32)
    for changed in (a * 1e-30, a * 1e30, a.half(), a.reshape(50, 2, 3)):
        assert linear_cka(changed, a) == pytest.approx(1, rel=1e-5)
    assert linear_cka(a + 1e3, a) == pytest.approx(1, rel=1e-5)
    assert linear_cka(a.requires_grad_(), a) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("fill", [0.0, 0.1, 1e3])
def test_without_spread_nothing_aligns(count, fill):
    assert linear_cka(torch.full((count, 4), fill), features(count, 3, 0)) == 0
    assert linear_cka(features(count, 3, 0), torch.full((count, 4), fill)) == 0


def test_rows_that_differ_by_rounding_have_no_spread():
    x = torch.full((9, 4), 0.3)
    x[3] = torch.nextafter(x[3], 2 * x[3])
    assert linear_cka(x, features(9, 3, 0)) == 0


def test_bad_input():
    with pytest.raises(InputError, match="linear_cka: `features_a` and `features_b` must describe"):
        linear_cka(torch.ones(3, 2), torch.ones(4, 2))
    with pytest.raises(InputError, match="linear_cka: `features_b` must be finite; 1 of its 6"):
        linear_cka(torch.ones(3, 2), torch.tensor([[1.0, 2.0], [float("nan"), 0.0], [1.0, 1.0]]))
