"""Snow, fog and frost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.corruptions.making import flat, pictures
from torchlgg.core import InputError
from torchlgg.corruptions import corrupt
from torchlgg.corruptions._streams import Streams
from torchlgg.corruptions._weather import plasma


def one(seed: int = 2) -> Streams:
    return Streams(seed=seed, indices=[0], corruption=0, severity=1)


@pytest.mark.parametrize("decay", [3, 1.75])
def test_plasma_against_single_points(decay: float) -> None:
    side = 8
    noise = iter((2 * one().uniform(side * side - 1)[0] - 1).tolist())
    cloud = {(0, 0): 0.0}
    step, scale = side, 100.0

    def at(y: int, x: int) -> float:
        return cloud[y % side, x % side]

    while step >= 2:
        half = step // 2
        corners = [(y, x) for y in range(0, side, step) for x in range(0, side, step)]
        for y, x in corners:
            around = at(y, x) + at(y + step, x) + at(y, x + step) + at(y + step, x + step)
            cloud[y + half, x + half] = around / 4 + scale**2 * next(noise)
        new = {}
        for shift_y, shift_x in ((0, half), (half, 0)):
            for y, x in ((y + shift_y, x + shift_x) for y, x in corners):
                around = at(y - half, x) + at(y + half, x) + at(y, x - half) + at(y, x + half)
                new[y, x] = around / 4 + scale**2 * next(noise)
        cloud |= new
        step, scale = half, scale / decay
    expected = np.array([[cloud[y, x] for x in range(side)] for y in range(side)])
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    np.testing.assert_allclose(plasma(side, decay, one())[0], expected, atol=1e-12)


def test_fog_is_a_smooth_cloud_that_keeps_the_brightest_level() -> None:
    images = flat(200, 64)
    severe = corrupt(images, "fog", 5).double()
    assert torch.equal(severe[:, 0], severe[:, 1])
    neighbours = severe.diff(dim=3).abs().mean() / severe.std()
    assert neighbours < 0.35
    low = int(200 / 255 * (200 / 255) / (200 / 255 + 1.5) * 255)
    assert abs(int(severe.min()) - low) <= 1
    # (x + s) x / (x + s) = x, but for the last bit, where the cloud is thickest
    assert set(severe.amax(dim=(1, 2, 3)).tolist()) <= {199.0, 200.0}
    assert corrupt(flat(0), "fog", 5).unique().tolist() == [0]


def test_snow_on_black_is_the_same_upside_down() -> None:
    for severity in (1, 2, 3, 4, 5):
        snow = corrupt(flat(0, 32), "snow", severity)
        assert torch.equal(snow, snow.flip(2, 3))
        assert torch.equal(snow[:, 0], snow[:, 2])
        mix = [0.95, 0.9, 0.9, 0.85, 0.8][severity - 1]
        pale = 255 * (1 - mix) * 0.5
        assert int(snow.min()) in (int(pale), int(pale - 1e-3))


def test_snow_falls_and_brightens() -> None:
    images = pictures(64)
    for severity in (1, 3, 5):
        snow = corrupt(images, "snow", severity).double()
        assert (snow - images).min() >= -1
    layer = corrupt(flat(0, 128), "snow", 5).double()
    assert layer.diff(dim=2).abs().mean() < layer.diff(dim=3).abs().mean()  # along the rows' normal


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Six pictures whose levels say which it is, and where; the sixth must never be used."""
    for number in range(1, 7):
        rows, columns = np.mgrid[:200, :250]
        pixels = np.stack([rows, columns, np.full_like(rows, 40 * number)], axis=2)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"frost{number}.png")
    (tmp_path / "notes.txt").write_text("not a photograph")
    return tmp_path


def test_frost_adds_a_part_of_one_of_the_first_five_photographs(photographs: Path) -> None:
    frozen = corrupt(flat(0, 200), "frost", 5, frost_images=photographs).numpy()
    blue = {int(0.45 * 40 * number): number for number in range(1, 6)}
    numbers = [blue[int(level)] for level in frozen[:, 2, 0, 0]]
    assert sorted(set(numbers)) == [1, 2, 3, 4, 5]
    assert min(np.bincount(numbers)[1:]) > 20
    tops = set()
    for part in frozen:
        # every fifth row and column from the third on, and a place where 32 of them fit
        fits = [
            top
            for top in range(8)
            if np.array_equal(
                part[0, :, 0], (0.45 * (5 * np.arange(top, top + 32) + 2)).astype(int)
            )
        ]
        assert len(fits) == 1
        tops.add(fits[0])
    assert tops == set(range(8))


def test_frost_weighs_the_image(photographs: Path) -> None:
    dark = corrupt(flat(0), "frost", 4, frost_images=photographs, seed=1).double()
    light = corrupt(flat(100), "frost", 4, frost_images=photographs, seed=1).double()
    assert set((light - dark).unique().tolist()) <= {84.0, 85.0, 86.0}


def test_frost_without_photographs_is_refused_and_the_stand_in_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`frost_images` must name a folder .* 'frost_synthetic'"):
        corrupt(flat(0), "frost", 1)
    with pytest.raises(InputError, match=r"holds none; for a texture in their place"):
        corrupt(flat(0), "frost", 1, frost_images=tmp_path)
    with pytest.raises(InputError, match="cannot read"):
        corrupt(flat(0), "frost", 1, frost_images=tmp_path / "absent")
    Image.new("RGB", (100, 400)).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"larger than 160 x 160 .* 'small.png' is 400 x 100"):
        corrupt(flat(0), "frost", 1, frost_images=tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"'broken.png', which cannot be read as an image"):
        corrupt(flat(0), "frost", 1, frost_images=tmp_path)


def test_synthetic_frost_is_a_texture_of_its_own(photographs: Path) -> None:
    images = pictures(16)
    texture = corrupt(images, "frost_synthetic", 3)
    assert not torch.equal(texture, corrupt(images, "frost", 3, frost_images=photographs))
    ice = corrupt(flat(0, 64), "frost_synthetic", 5).double()
    assert 20 < ice.mean() < 90
    assert ice.diff(dim=3).abs().mean() < 0.5 * ice.std()
    assert ice.mean(dim=(1, 2, 3)).unique().numel() > 32
