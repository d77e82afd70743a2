from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from tests.data.making import encoded, pixels
from torchlgg.core import InputError
from torchlgg.data._pixels import PixelReader, StoredImage, decode_image, resize_and_crop

GREY = pixels(0, 6, 5)
COLOUR = pixels(1, 6, 5, 3)


def decoded(image: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> np.ndarray:
    return decode_image(StoredImage(encoded(image, kind, **options), "here"), image_size=None)


def test_colours_and_greys_come_as_they_are() -> None:
    np.testing.assert_array_equal(decoded(COLOUR), COLOUR)
    np.testing.assert_array_equal(decoded(GREY), GREY)
    np.testing.assert_array_equal(decoded(COLOUR, "WEBP", lossless=True), COLOUR)


def test_transparency_is_dropped() -> None:
    alpha = pixels(2, 6, 5, 1)
    np.testing.assert_array_equal(decoded(np.concatenate([COLOUR, alpha], 2)), COLOUR)
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha[..., 0])])
    np.testing.assert_array_equal(decoded(grey_alpha), GREY)


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(30))])
def test_palettes_are_looked_up(transparency: int | bytes | None) -> None:
    position = np.random.default_rng(3).permutation(30).astype(np.uint8).reshape(6, 5)
    picture = Image.fromarray(position)
    picture.putpalette(COLOUR.reshape(-1).tolist())
    options = {} if transparency is None else {"transparency": transparency}
    expected = COLOUR.reshape(30, 3)[position]
    np.testing.assert_array_equal(decoded(picture, **options), expected)


def test_black_and_white_is_grey() -> None:
    bits = GREY > 127
    np.testing.assert_array_equal(decoded(Image.fromarray(bits)), bits * np.uint8(255))


def test_sixteen_bits_keep_the_high_byte() -> None:
    deep = np.random.default_rng(4).integers(0, 2**16, (6, 5), dtype=np.uint16)
    np.testing.assert_array_equal(decoded(Image.fromarray(deep)), deep // 256)
    np.testing.assert_array_equal(decoded(Image.fromarray(deep), "TIFF"), deep // 256)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_thirty_two_bits_are_refused(dtype: type) -> None:
    with pytest.raises(InputError, match=r"^`source`: here has pixels of 32 bits \(mode [FI]\)"):
        decoded(Image.fromarray(GREY.astype(dtype)), "TIFF")


def test_images_are_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    found = decoded(COLOUR, "PNG", exif=exif)
    np.testing.assert_array_equal(found, np.rot90(COLOUR, -1))


def test_resizing_to_the_same_size_changes_nothing() -> None:
    square = pixels(5, 7, 7, 3)
    np.testing.assert_array_equal(resize_and_crop(Image.fromarray(square), 7), square)


@pytest.mark.parametrize(("height", "width"), [(4, 9), (9, 4), (4, 4)])
def test_the_centre_is_kept(height: int, width: int) -> None:
    image = pixels(6, height, width, 3)
    top, left = (height - 4) // 2, (width - 4) // 2
    np.testing.assert_array_equal(
        resize_and_crop(Image.fromarray(image), 4), image[top : top + 4, left : left + 4]
    )


@pytest.mark.parametrize(("height", "width", "size"), [(9, 13, 4), (40, 21, 7), (5, 6, 11)])
def test_resizing_is_bilinear_with_antialiasing(height: int, width: int, size: int) -> None:
    image = pixels(7, height, width, 3)
    found = np.asarray(resize_and_crop(Image.fromarray(image), size))
    shape = [round(side * size / min(height, width)) for side in (height, width)]
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    whole = interpolate(x, shape, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    top, left = ((side - size) // 2 for side in shape)
    expected = whole[top : top + size, left : left + size]
    np.testing.assert_allclose(found, expected, atol=1.01)  # rounded after rows, then columns


def test_enlarging_and_shrinking_reach_the_size_asked_for() -> None:
    for height, width, size in ((3, 50, 8), (101, 37, 8), (1, 1, 5), (333, 500, 224)):
        image = decode_image(
            StoredImage(encoded(pixels(8, height, width, 3)), "here"), image_size=size
        )
        assert image.shape == (size, size, 3)


def test_more_than_fits_into_memory_is_said_so() -> None:
    reader = PixelReader(image_size=None, total=1, progress=None)
    with pytest.raises(InputError, match=r"10{14} images of 6 x 5 pixels take 9000000.0 GB; pass"):
        reader.read([StoredImage(encoded(COLOUR), "a")], 10**14)


def test_a_reader_sees_all_splits() -> None:
    calls: list[tuple[int, int]] = []
    reader = PixelReader(
        image_size=None, total=5, progress=lambda done, total: calls.append((done, total))
    )
    first = reader.read([StoredImage(encoded(GREY), "a")] * 3, 3)
    assert first.shape == (3, 1, 6, 5)
    second = reader.read([StoredImage(encoded(GREY), "b"), StoredImage(encoded(COLOUR), "c")], 2)
    assert calls == [(3, 5), (5, 5)]
    np.testing.assert_array_equal(second[0], np.broadcast_to(GREY, (3, 6, 5)))
    np.testing.assert_array_equal(second[1], COLOUR.transpose(2, 0, 1))
    with pytest.raises(InputError, match=r"but a has 6 x 5 pixels .* and d has 5 x 6; pass"):
        reader.read([StoredImage(encoded(GREY.T), "d")], 1)
