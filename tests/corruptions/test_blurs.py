"""Blurs with random draws, against loops that are given the same draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.corruptions.making import flat, pictures
from torchlgg.corruptions import corrupt
from torchlgg.corruptions._blur import _copied_from
from torchlgg.corruptions._motion import moved
from torchlgg.corruptions._streams import Streams


def streams(count: int = 3) -> Streams:
    return Streams(seed=5, indices=range(count), corruption=0, severity=1)


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_glass_moves_pixels_as_the_originals_assignments_do(reach: int) -> None:
    height, width = 20, 14
    source = _copied_from(height, width, reach, streams()).reshape(3, height, width)
    rows, columns = height - 2 * reach, width - 2 * reach
    shifts = np.floor(streams().uniform(2, rows, columns) * 2 * reach).astype(int) - reach
    for image, shift in zip(source, shifts, strict=True):
        x = np.arange(height * width).reshape(height, width, 1)
        for h in range(height - reach, reach, -1):
            for w in range(width - reach, reach, -1):
                dx, dy = shift[:, h - reach - 1, w - reach - 1]
                # rows of an array are views, so this copies
                x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx], x[h, w]
        np.testing.assert_array_equal(image, x[:, :, 0])


def test_glass_leaves_the_first_rows_and_columns_where_they_are() -> None:
    images = pictures(2)
    got = corrupt(images, "glass_blur", 1)  # its blur of 0.05 reaches no neighbour
    assert torch.equal(got[:, :, :2], images[:, :, :2])
    assert torch.equal(got[:, :, :, :2], images[:, :, :, :2])
    moved_share = (got != images).any(dim=1)[:, 2:, 2:].float().mean()
    assert 0.4 < moved_share < 0.76  # three of four draws are a move


def test_glass_without_a_move_is_a_blur_done_twice() -> None:
    # and loses at most a level in each, where a sum ends just below it
    assert set(corrupt(flat(77), "glass_blur", 5).unique().tolist()) <= {75, 76, 77}


@pytest.mark.parametrize("angle", [-135.0, -90.0, -45.0, -17.3, 0.0, 30.0, 45.0])
def test_motion_against_loops(angle: float) -> None:
    image = pictures(1).numpy()
    radius, deviation = 6, 6
    got = moved(image, angles=np.array([angle]), radius=radius, deviation=deviation)[0]
    weights = [math.exp(-(t**2) / (2 * deviation**2)) for t in range(2 * radius + 1)]
    turn = math.radians(angle)
    for channel in range(3):
        for y in range(32):
            for x in range(32):
                total = 0.0
                for t, weight in enumerate(weights):
                    right = x + math.ceil(t * math.cos(turn) - 0.5)
                    down = y + math.ceil(t * math.sin(turn) - 0.5)
                    level = image[0, channel, min(max(down, 0), 31), min(max(right, 0), 31)]
                    total += weight / sum(weights) * level
                assert got[channel, y, x] == math.floor(257 * total + 0.5) // 257


def test_motion_keeps_what_is_flat_and_blurs_along_its_direction() -> None:
    for level in (0, 1, 128, 254, 255):
        assert corrupt(flat(level), "motion_blur", 5).unique().tolist() == [level]
    noise = torch.randint(0, 256, (64, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    blurred = corrupt(noise.byte(), "motion_blur", 3).double()
    across = blurred.diff(dim=3).abs().mean()
    down = blurred.diff(dim=2).abs().mean()
    assert across < 0.85 * down  # the direction lies within 45 degrees of the rows


def test_every_image_moves_in_its_own_direction() -> None:
    images = pictures(1).repeat(8, 1, 1, 1)
    assert len({blurred.numpy().tobytes() for blurred in corrupt(images, "motion_blur", 5)}) > 4
