"""The 8 corruptions that draw nothing, against an implementation of single pixels."""

from __future__ import annotations

import colorsys
import io

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom

from tests.corruptions.making import flat, pictures
from tests.corruptions.oracle import BY_KERNEL, DETERMINISTIC
from torchlgg.corruptions import corrupt
from torchlgg.corruptions._zoom import clipped_zoom

IMAGES = pictures(3)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_agrees_byte_by_byte_with_plain_loops(name: str, severity: int) -> None:
    got = corrupt(IMAGES, name, severity).permute(0, 2, 3, 1).numpy()
    levels = np.stack(
        [DETERMINISTIC[name](image.permute(1, 2, 0).numpy(), severity) for image in IMAGES]
    )
    expected = levels.astype(np.uint8)
    if name not in BY_KERNEL:
        np.testing.assert_array_equal(got, expected)
        return
    # A kernel's sum of a level over a flat part is that level but for its last bits (float32 of
    # the kernel in defocus blur), which decide on which side of the whole number it is cut off.
    near = np.abs(levels - np.rint(levels)) < 1e-4
    np.testing.assert_array_equal(got[~near], expected[~near])
    below = np.rint(levels[near]) - got[near]
    assert set(np.unique(below)) <= {0, 1}
    assert near.mean() < 0.25  # the mean of 5 levels is a whole number for a fifth of them


def test_hsv_against_the_standard_library() -> None:
    got = corrupt(IMAGES, "saturate", 3).permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    for before, after in zip(IMAGES.permute(0, 2, 3, 1).reshape(-1, 3).tolist(), got, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(level / 255 for level in before))
        back = colorsys.hsv_to_rgb(hue, min(1.5 * saturation, 1), value)
        levels = 255 * np.array(back)
        assert ((after <= levels + 1e-9) & (after > levels - 1 - 1e-9)).all()


@pytest.mark.parametrize("size", [32, 33, 64, 224])
def test_the_zoom_is_that_of_scipy(size: int) -> None:
    x = np.random.default_rng(0).random((1, size, size))
    for factor in (*np.arange(1, 1.31, 0.03), 1.75, 2.25, 3, 4.5):
        part = int(np.ceil(size / factor))
        top = (size - part) // 2
        grown = zoom(x[0, top : top + part, top : top + part], factor, order=1)
        trim = (len(grown) - size) // 2
        expected = grown[trim : trim + size, trim : trim + size]
        np.testing.assert_allclose(clipped_zoom(x, float(factor))[0], expected, atol=1e-12)


def test_the_seed_and_the_indices_change_nothing() -> None:
    for name in DETERMINISTIC:
        first = corrupt(IMAGES, name, 3)
        assert torch.equal(first, corrupt(IMAGES, name, 3, seed=9, indices=[5, 6, 7]))


def test_levels_are_cut_off_not_rounded() -> None:
    # 100 + 0.05 * 255 = 112.75
    assert corrupt(flat(100), "brightness", 1).unique().tolist() == [112]


def test_jpeg_is_what_pillow_writes_for_grey_images_too() -> None:
    from PIL import Image

    grey = pictures(1, channels=1)
    file = io.BytesIO()
    Image.fromarray(grey[0, 0].numpy()).save(file, "JPEG", quality=40)
    expected = np.asarray(Image.open(file))
    np.testing.assert_array_equal(corrupt(grey, "jpeg_compression", 5)[0, 0].numpy(), expected)
