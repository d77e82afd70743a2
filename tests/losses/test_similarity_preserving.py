"""Sums over examples give what the row-normalised Gram matrices give."""

from __future__ import annotations

import pytest
import torch

import torchlgg.losses._similarity_preserving as file
from tests.losses.peak import PeakMemory
from tests.oracles import losses as oracles
from torchlgg.losses import similarity_preserving_loss
from torchlgg.losses._row_normalized import row_sums_pay

KINDS = ["generic", "dead rows", "duplicates", "collapsed", "all dead", "offset", "one"]


def batch(kind, width, *, count=30, dtype=torch.float64):
    generator = torch.Generator().manual_seed(width)
    x = torch.randn(count, width, generator=generator, dtype=torch.float64)
    if kind == "dead rows":
        x[[2, 5, width]] = 0
    elif kind == "duplicates":
        x[10:20] = x[:10]
    elif kind == "collapsed":
        x = x[:1].expand(count, -1).clone()
    elif kind == "all dead":
        x = torch.zeros_like(x)
    elif kind == "offset":
        x = x + 1e3
    elif kind == "one":
        x = x[:1]
    return x.to(dtype)


def by(way, student, teacher, monkeypatch):
    monkeypatch.setattr(file, "row_sums_pay", lambda *_: way == "sums")
    leaf = student.clone().requires_grad_()
    value = similarity_preserving_loss(leaf, teacher)
    value.backward()
    return value.detach(), leaf.grad


@pytest.mark.parametrize("kind", KINDS)
def test_sums_equal_pairs_equal_the_oracle(kind, monkeypatch):
    student, teacher = batch(kind, 5), batch(kind, 8)
    value, gradient = by("sums", student, teacher, monkeypatch)
    expected, slope = by("pairs", student, teacher, monkeypatch)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-16)
    torch.testing.assert_close(
        gradient, slope, rtol=1e-8, atol=1e-9 * float(slope.abs().max()) + 1e-16
    )
    if "dead" not in kind:
        truth = oracles.similarity_preserving_loss(student.numpy(), teacher.numpy())
        assert float(value) == pytest.approx(truth, rel=1e-9, abs=1e-15)


def test_in_float32(monkeypatch):
    teacher = batch("generic", 12, count=400)
    noise = torch.randn(teacher.shape, generator=torch.Generator().manual_seed(2)).double()
    for student in (batch("generic", 9, count=400), teacher * (1 + 0.01 * noise)):
        student, target = student.float(), teacher.float()
        expected, slope = by("pairs", student.double(), target.double(), monkeypatch)
        value, gradient = by("sums", student, target, monkeypatch)
        assert value.dtype == gradient.dtype == torch.float32
        assert float(value) == pytest.approx(float(expected), rel=1e-6)
        assert float((gradient - slope).norm()) < 1e-6 * float(slope.norm())


def test_a_student_that_is_the_teacher():
    x = batch("generic", 6, count=300, dtype=torch.float32).requires_grad_()
    value = similarity_preserving_loss(x, x.detach().clone())
    value.backward()
    assert 0 <= float(value.detach()) < 1e-15
    assert float(x.grad.norm()) < 1e-12


def test_no_matrix_of_pairs_is_made():
    count, width = 3000, 8
    student, teacher = (batch("generic", w, count=count, dtype=torch.float32) for w in (width, 5))
    student.requires_grad_()
    with PeakMemory() as memory:
        similarity_preserving_loss(student, teacher).backward()
    assert memory.peak < 40 * 4 * count * width
    assert memory.peak < 4 * count**2 / 5


@pytest.mark.parametrize("autocast", [False, True])
def test_compiled(autocast):
    student, teacher = (batch("generic", w, count=300, dtype=torch.float32) for w in (6, 5))
    found = []
    compiled = torch.compile(similarity_preserving_loss, fullgraph=True, backend="aot_eager")
    for function in (similarity_preserving_loss, compiled):
        leaf = student.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            value = function(leaf, teacher)
        value.backward()
        found.append((value.detach(), leaf.grad))
    torch.testing.assert_close(found[1], found[0], rtol=1e-6, atol=1e-9)


def test_the_rule():
    assert row_sums_pay(4096, 512, 512)
    assert not row_sums_pay(512, 512, 512)
    assert not row_sums_pay(128, 8, 8)  # as fast either way
    assert row_sums_pay(16_384, 8192, 512)  # matrices of pairs would take gigabytes
    assert not row_sums_pay(16_384, 20_000, 512)
