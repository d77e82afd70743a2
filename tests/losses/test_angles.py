"""Angles by tiles are those of the whole cube of cosines, in memory that is a bound."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from tests.losses.peak import PeakMemory
from torchlgg.core import InputError, unit_rows
from torchlgg.graphs import rounding_of_differences
from torchlgg.losses import RelationalAngleLoss, relational_angle_loss

BOUNDS = [2**28, 60_000, 5_000, 1]  # everything, some anchors, some rows of one, one row


def plain(student, teacher):
    """The loss from the whole cube on both sides."""

    def cosines(x):
        directions = unit_rows(x[None, :, :] - x[:, None, :], floor_N=rounding_of_differences(x))
        same = torch.eye(len(x), dtype=torch.bool)
        return (directions @ directions.mT).masked_fill(same, 0.0)

    total = functional.smooth_l1_loss(cosines(student), cosines(teacher), reduction="sum")
    return total / max(len(student) * (len(student) - 1) * (len(student) - 2), 1)


def batch(kind, width, *, count=21, dtype=torch.float64):
    generator = torch.Generator().manual_seed(width)
    x = torch.randn(count, width, generator=generator, dtype=torch.float64)
    if kind == "duplicates":
        x[3] = x[0]
        x[9] = x[5] * (1 + 1e-17)
        x[10] = x[5] + 1e-6
    elif kind == "offset":
        x = x + 1e3
    elif kind == "collapsed":
        x = x[:1].expand(count, -1).clone()
    elif kind == "one row zero":
        x[4] = 0
    elif kind == "two":
        x = x[:2]
    elif kind == "one":
        x = x[:1]
    return x.to(dtype)


KINDS = ["generic", "duplicates", "offset", "collapsed", "one row zero", "two", "one"]


def value_and_gradient(function, student, teacher, **options):
    leaf = student.clone().requires_grad_()
    value = function(leaf, teacher, **options)
    value.backward()
    return value.detach(), leaf.grad


@pytest.mark.parametrize("max_memory", BOUNDS)
@pytest.mark.parametrize("kind", KINDS)
def test_tiles_equal_the_cube(kind, max_memory):
    student, teacher = batch(kind, 5), batch(kind, 8)
    value, gradient = value_and_gradient(
        relational_angle_loss, student, teacher, max_memory=max_memory
    )
    expected, slope = value_and_gradient(plain, student, teacher)
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-15)
    torch.testing.assert_close(gradient, slope, rtol=1e-8, atol=1e-9 * float(slope.abs().max()))


@pytest.mark.parametrize("max_memory", BOUNDS[:3])
def test_in_float32_as_exact_as_the_cube(max_memory):
    student, teacher = batch("generic", 5, count=60), batch("generic", 8, count=60)
    expected, slope = value_and_gradient(plain, student, teacher)
    value, gradient = value_and_gradient(
        relational_angle_loss, student.float(), teacher.float(), max_memory=max_memory
    )
    assert value.dtype == gradient.dtype == torch.float32
    assert float(value) == pytest.approx(float(expected), rel=1e-6)
    assert float((gradient - slope).norm()) < 1e-5 * float(slope.norm())


@pytest.mark.parametrize("max_memory", [400_000, 100_000])
def test_memory_is_the_bound(max_memory):
    count, width = 96, 6  # the cube has 3.5 MB a side
    student, teacher = (batch("generic", w, count=count, dtype=torch.float32) for w in (width, 4))
    features = count * width * 4
    with PeakMemory() as memory:
        value_and_gradient(relational_angle_loss, student, teacher, max_memory=max_memory)
    assert max_memory / 4 < memory.peak <= max_memory + 8 * features
    with PeakMemory() as memory:
        value_and_gradient(plain, student, teacher)
    assert memory.peak > 4 * count**3  # the count counts


def test_it_can_be_differentiated_once():
    student = batch("generic", 5).requires_grad_()
    value = relational_angle_loss(student, batch("generic", 8))
    (gradient,) = torch.autograd.grad(value, student, create_graph=True)
    assert not gradient.requires_grad


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2 GB", None])
def test_a_bound_that_is_none(bad):
    x = batch("generic", 5)
    with pytest.raises(InputError, match="`max_memory` must be a whole number, at least 1"):
        relational_angle_loss(x, x, max_memory=bad)
    with pytest.raises(InputError, match="RelationalAngleLoss: `max_memory` must be a whole"):
        RelationalAngleLoss(max_memory=bad)
