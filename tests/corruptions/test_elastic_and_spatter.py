"""The elastic transform by what it does to coordinates, and the drops by their colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from tests.corruptions.making import flat, pictures
from torchlgg.corruptions import corrupt
from torchlgg.corruptions._elastic import _affine, _bilinear, _mirrored, _reflected
from torchlgg.corruptions._spatter import _equalized, edges, spatter
from torchlgg.corruptions._streams import Streams


def test_the_affine_map_sends_the_three_corners_where_they_were_drawn() -> None:
    streams = {"seed": 1, "indices": range(20), "corruption": 0, "severity": 1}
    reach = 2.56
    down, right = _affine(32, 32, reach, Streams(**streams))
    shifts = (2 * reach * Streams(**streams).uniform(3, 2) - reach).astype(np.float32)
    assert abs(shifts).max() > 2
    corners = np.array([[26, 26], [26, 6], [6, 6]])  # (x, y): 16 +- 10
    for image in range(20):
        targets = corners + shifts[image]
        # (x, y, 1) of the result to (x, y) of the source, solved from the three pairs
        back = np.linalg.solve(np.c_[targets, np.ones(3)], corners)
        y, x = np.mgrid[:32, :32]
        exact = np.stack([x, y, np.ones_like(x)], axis=-1) @ back
        assert abs(np.stack([right[image], down[image]], axis=-1) - exact).max() < 1 / 64 + 1 / 512
    assert np.array_equal(right * 32, np.rint(right * 32))


@pytest.mark.parametrize(("inside", "mode"), [(_mirrored, "mirror"), (_reflected, "reflect")])
def test_reading_between_pixels_is_that_of_scipy(inside: object, mode: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((2, 3, 9, 11))
    down, right = rng.uniform(-30, 40, (2, 2, 9, 11))
    got = _bilinear(x, down, right, inside)
    for image in range(2):
        for channel in range(3):
            expected = map_coordinates(
                x[image, channel], [down[image], right[image]], order=1, mode=mode
            )
            np.testing.assert_allclose(got[image, channel], expected, atol=1e-12)


def test_elastic_moves_every_channel_alike_and_keeps_what_is_flat() -> None:
    grey = pictures(4, channels=1).repeat(1, 3, 1, 1)
    for severity in (1, 2, 3, 4, 5):
        moved = corrupt(grey, "elastic_transform", severity)
        assert torch.equal(moved[:, 0], moved[:, 1])
        assert not torch.equal(moved, grey)
        assert set(corrupt(flat(90), "elastic_transform", severity).unique().tolist()) <= {89, 90}


def test_water_colours_red_less_than_green_and_blue() -> None:
    black = corrupt(flat(0, 64), "spatter", 3).double()
    wet = black[:, 2] > 0
    assert 0.05 < wet.double().mean() < 0.6
    assert torch.equal(black[:, 1], black[:, 2])
    ratio = black[:, 0][wet].sum() / black[:, 1][wet].sum()
    assert abs(ratio - 175 / 238) < 0.02
    assert int(black.max()) == int(238 * 0.5)  # the weight, where the gloss is largest
    assert torch.equal(corrupt(flat(255), "spatter", 3), flat(255))


def test_mud_is_brown_and_opaque() -> None:
    for level in (0, 255):
        muddy = corrupt(flat(level, 64), "spatter", 5).double()
        hit = muddy[:, 0] != level
        assert 0.02 < hit.double().mean() < 0.6
        red, green, blue = (muddy[:, channel][hit] for channel in range(3))
        # at least 0.8 of the colour (63, 42, 20) and the rest of the level
        for values, colour in ((red, 63), (green, 42), (blue, 20)):
            ends = sorted((colour, 0.8 * colour + 0.2 * level))
            assert ends[0] - 1 <= values.min()
            assert values.max() <= ends[1] + 1


@pytest.mark.parametrize("mud", [0, 1])
def test_an_image_without_a_drop_stays_as_it_is(mud: int) -> None:
    images = pictures(2).numpy()
    streams = Streams(seed=0, indices=[0, 1], corruption=0, severity=1)
    never = 9.0  # the threshold
    got = spatter(images, (0.65, 0.1, 0.7, never, 0.5, mud), streams)
    np.testing.assert_array_equal(got, images)


def test_edges_of_a_square_are_its_sides() -> None:
    layer = np.zeros((2, 16, 16), dtype=np.uint8)
    layer[0, 4:12, 5:13] = 200
    layer[1, 4:12, 5:13] = 12  # the largest |dx| + |dy| is 72: above 50, and never above 150
    found = edges(layer)
    assert not found[1].any()
    inner = found[0, 6:10]
    # a step lies between two columns of equal gradient; the first of them in the scan is the edge
    for columns in np.argwhere(inner)[:, 1].reshape(4, -1):
        assert columns.tolist() == [4, 12]
    assert not found[0, 6:10, 6:12].any()
    np.testing.assert_array_equal(found[0, :, 8].nonzero()[0], [3, 11])


def test_equalizing_by_hand() -> None:
    layer = np.array([[[5, 5], [7, 9]], [[3, 3], [3, 3]]], dtype=np.uint8)
    # after the smallest level: 1 of 2 pixels up to 7, 2 of 2 up to 9; 127.5 to even
    np.testing.assert_array_equal(_equalized(layer), [[[0, 0], [128, 255]], [[3, 3], [3, 3]]])
