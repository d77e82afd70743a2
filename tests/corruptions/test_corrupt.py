"""What holds for all corruptions: keys, order, degenerate images, refusals."""

from __future__ import annotations

import hashlib

import pytest
import torch

from tests.corruptions.making import flat, pictures
from torchlgg.core import InputError
from torchlgg.corruptions import _operations, corrupt, corruption_names

# frost of photographs is in test_weather.py
NAMES = (*(name for name in corruption_names() if name != "frost"), "frost_synthetic")
RANDOM = tuple(
    name
    for name in NAMES
    if name
    not in {
        "brightness",
        "contrast",
        "defocus_blur",
        "gaussian_blur",
        "jpeg_compression",
        "pixelate",
        "saturate",
        "zoom_blur",
    }
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("severity", [1, 4])
def test_any_subset_in_any_order_gives_the_same_bytes(
    name: str, severity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures(7)
    before = images.clone()
    whole = corrupt(images, name, severity, seed=4)
    assert torch.equal(images, before)
    assert whole.dtype == torch.uint8
    assert whole.shape == images.shape
    order = torch.tensor([6, 2, 3, 0])
    assert torch.equal(corrupt(images[order], name, severity, seed=4, indices=order), whole[order])
    strided = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    monkeypatch.setattr(_operations, "_TILE_BYTES", 1)  # one image at a time
    assert torch.equal(corrupt(strided, name, severity, seed=4), whole)


@pytest.mark.parametrize("name", RANDOM)
def test_seed_index_name_and_severity_all_matter(name: str) -> None:
    image = pictures(1).repeat(2, 1, 1, 1)
    first = corrupt(image, name, 4)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, corrupt(image, name, 4, seed=1))
    assert not torch.equal(first, corrupt(image, name, 4, indices=[2, 3]))
    assert torch.equal(first, corrupt(image, name, 4))


def test_the_severity_is_part_of_the_key() -> None:
    noise = [corrupt(flat(128, 64), "gaussian_noise", s).double() - 127.5 for s in (4, 5)]
    overlap = (noise[0] * noise[1]).mean() / (noise[0].std() * noise[1].std())
    assert abs(overlap) < 0.02


# whose severities are ranked by what they do to a network, not by their mean distance
_NOT_RISING = frozenset(
    {
        "elastic_transform",
        "frost_synthetic",
        "glass_blur",
        "pixelate",
        "saturate",
        "snow",
        "spatter",
    }
)


@pytest.mark.parametrize(
    "name",
    [name for name in NAMES if name not in _NOT_RISING],
)
def test_a_higher_severity_is_farther_from_the_image(name: str) -> None:
    images = pictures(16)
    distances = [
        float((corrupt(images, name, severity).double() - images).square().mean())
        for severity in (1, 2, 3, 4, 5)
    ]
    assert distances == sorted(distances)
    assert distances[0] < 0.8 * distances[4]


@pytest.mark.parametrize("name", NAMES)
def test_degenerate_images(name: str) -> None:
    for level in (0, 255):
        corrupted = corrupt(flat(level), name, 5)
        assert corrupted.shape == (4, 3, 32, 32)
    for shape in ((24, 40), (33, 21)):
        wide = pictures(2, height=shape[0], width=shape[1])
        assert corrupt(wide, name, 5).shape == wide.shape
    grey = pictures(2, channels=1)
    assert corrupt(grey, name, 3).shape == grey.shape
    assert corrupt(pictures(2)[:0], name, 3).shape == (0, 3, 32, 32)
    if name != "elastic_transform":
        assert corrupt(pictures(2, height=8, width=8), name, 5).shape == (2, 3, 8, 8)


def test_grey_is_three_equal_channels() -> None:
    grey = pictures(2, channels=1)
    colour = grey.repeat(1, 3, 1, 1)
    for name in ("brightness", "snow", "fog", "contrast", "zoom_blur"):
        expected = corrupt(colour, name, 3)
        if name == "contrast":  # the order of the sum may differ in one channel
            assert (corrupt(grey, name, 3).int() - expected[:, :1].int()).abs().max() <= 1
        else:
            assert torch.equal(corrupt(grey, name, 3), expected[:, :1])


@pytest.mark.parametrize("name", NAMES)
def test_imagenets_constants(name: str) -> None:
    images = pictures(1, height=64, width=72)
    for severity in (3, 5):
        corrupted = corrupt(images, name, severity, constants="imagenet")
        assert corrupted.shape == images.shape
        assert not torch.equal(corrupted, corrupt(images, name, severity))


def test_imagenets_noise_is_stronger() -> None:
    noisy = corrupt(flat(128, 16, size=64), "gaussian_noise", 2, constants="imagenet").double()
    assert abs(noisy.std() / 255 - 0.12) < 0.002


# for name in GOLDEN:
#     digest = hashlib.sha256(corrupt(pictures(3), name, 3, seed=1).numpy().tobytes())
#     print(f'    "{name}": "{digest.hexdigest()[:12]}",')
GOLDEN = {
    "gaussian_noise": "5ed135752e7a",
    "shot_noise": "ad0578d2009e",
    "impulse_noise": "67ea8e47e3c9",
    "speckle_noise": "230e4adf45b8",
    "motion_blur": "0f12dedbd539",
    "snow": "a72ecb1ef64c",
    "fog": "9b752571b492",
    "frost_synthetic": "a866ce8da9ae",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    """Draws and arithmetic of our own, whose bytes are for good."""
    digest = hashlib.sha256(corrupt(pictures(3), name, 3, seed=1).numpy().tobytes())
    assert digest.hexdigest()[:12] == GOLDEN[name]


def test_names() -> None:
    assert len(corruption_names("benchmark")) == 15
    assert corruption_names() == corruption_names("benchmark") + corruption_names("extra")
    assert not set(corruption_names("synthetic")) & set(corruption_names())
    with pytest.raises(InputError, match="`kind` must be one of"):
        corruption_names("most")  # type: ignore[arg-type]


IMAGE = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((IMAGE.float(), "fog", 1), {}, "`images` must be a uint8 tensor .* got torch.float32"),
        ((IMAGE[0], "fog", 1), {}, r"`images` must be a uint8 tensor \(N, C, H, W\)"),
        ((IMAGE.numpy(), "fog", 1), {}, "`images` must be a uint8 tensor .* got ndarray"),
        ((IMAGE[:, :2], "fog", 1), {}, "`images` must have 1 or 3 channels"),
        ((IMAGE[..., :7], "fog", 1), {}, "at least 8 rows and columns .* got 32 x 7"),
        ((IMAGE, "fgo", 1), {}, "`name` must be .* got 'fgo'; did you mean 'fog'"),
        ((IMAGE, None, 1), {}, "`name` must be that of a corruption, got None"),
        ((IMAGE, "fog", 0), {}, "`severity` must be a whole number from 1"),
        ((IMAGE, "fog", 2.0), {}, "`severity` must be a whole number from 1"),
        ((IMAGE, "fog", True), {}, "`severity` must be a whole number from 1"),
        ((IMAGE, "fog", 1), {"seed": -1}, "`seed` must be a whole number from 0"),
        ((IMAGE, "fog", 1), {"seed": 2**64}, "`seed` must be a whole number from 0"),
        ((IMAGE, "fog", 1), {"indices": [1]}, "2 images, 1 indices"),
        ((IMAGE, "fog", 1), {"indices": [0, -1]}, "must lie between 0 and 2\\^48 - 1, got -1"),
        ((IMAGE, "fog", 1), {"indices": [0, 2**48]}, "got 281474976710656"),
        ((IMAGE, "fog", 1), {"indices": [0.0, 1.0]}, "one row of whole numbers, got float64"),
        ((IMAGE, "fog", 1), {"constants": "mnist"}, "`constants` must be one of"),
        ((IMAGE, "fog", 1), {"constants": "imagenet"}, 'at least 64 .* take constants="cifar"'),
        (
            (IMAGE[..., :16], "elastic_transform", 1),
            {},
            "at least 18 rows and columns for 'elastic_transform' .* 2.56 pixels",
        ),
    ],
)
def test_refusals(arguments: tuple, options: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        corrupt(*arguments, **options)
