from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from torchlgg.core import InputError
from torchlgg.data import random_crop_flip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some(*shape: int) -> torch.Tensor:
    return torch.randint(1, 256, shape, generator=generator(11), dtype=torch.uint8)


def one_by_one(
    images: torch.Tensor, *, padding: int, flip: bool, generator: torch.Generator
) -> torch.Tensor:
    """The same, an image at a time, from the words of the documentation."""
    count, _, height, width = images.shape
    choices = 2 * padding + 1
    tops = torch.randint(choices, (count, 1), generator=generator)
    lefts = torch.randint(choices, (count, 1), generator=generator)
    mirrored = torch.randint(2, (count, 1), generator=generator)
    result = np.empty(images.shape, dtype=np.uint8)
    for i, image in enumerate(images.numpy()):
        frame = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        top, left = int(tops[i]), int(lefts[i])
        crop = frame[:, top : top + height, left : left + width]
        result[i] = crop[:, :, ::-1] if flip and mirrored[i] else crop
    return torch.from_numpy(result)


@pytest.mark.parametrize("shape", [(200, 3, 32, 32), (60, 1, 5, 9), (1, 2, 3, 1), (0, 3, 4, 4)])
@pytest.mark.parametrize("padding", [0, 1, 4, 12])
@pytest.mark.parametrize("flip", [True, False])
def test_equals_a_loop_over_the_images(shape: tuple[int, ...], padding: int, flip: bool) -> None:
    images = some(*shape)
    before = images.clone()
    found = random_crop_flip(images, padding=padding, flip=flip, generator=generator(3))
    expected = one_by_one(images, padding=padding, flip=flip, generator=generator(3))
    assert found.dtype == torch.uint8
    assert found.data_ptr() != images.data_ptr() or images.numel() == 0
    assert torch.equal(found, expected)
    assert torch.equal(images, before)


def test_the_memory_layout_does_not_matter() -> None:
    images = some(8, 3, 6, 7)
    last = images.contiguous(memory_format=torch.channels_last)
    strided = some(8, 3, 6, 14)[..., ::2]
    assert torch.equal(
        random_crop_flip(last, generator=generator()),
        random_crop_flip(images, generator=generator()),
    )
    assert torch.equal(
        random_crop_flip(strided, generator=generator()),
        random_crop_flip(strided.contiguous(), generator=generator()),
    )


def test_only_the_generator_decides() -> None:
    images = some(30, 1, 8, 8)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = random_crop_flip(images, generator=generator(5))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(random_crop_flip(images, generator=generator(5)), first)
    assert not torch.equal(random_crop_flip(images, generator=generator(6)), first)
    source = generator(5)
    assert torch.equal(random_crop_flip(images, generator=source), first)
    assert not torch.equal(random_crop_flip(images, generator=source), first)


def test_the_crops_are_the_same_with_and_without_flips() -> None:
    # Symmetric images framed by nothing: what is left of a flip is a mirrored offset.
    images = some(40, 1, 6, 6)
    plain = random_crop_flip(images, flip=False, generator=generator(8))
    mirrored = random_crop_flip(images, flip=True, generator=generator(8))
    same = [torch.equal(a, b) for a, b in zip(plain, mirrored, strict=True)]
    assert 5 < sum(same) < 35
    assert all(
        torch.equal(b, a if equal else a.flip(-1))
        for a, b, equal in zip(plain, mirrored, same, strict=True)
    )


def test_every_offset_and_every_flip_comes_up() -> None:
    count, padding = 9000, 1
    image = torch.zeros(1, 3, 3, dtype=torch.uint8)
    image[0, 1, 1], image[0, 1, 2] = 200, 100
    found = random_crop_flip(image.expand(count, 1, 3, 3), padding=padding, generator=generator(4))
    kinds, counts = found.flatten(1).unique(dim=0, return_counts=True)
    assert len(kinds) == 9 * 2
    assert int(counts.min()) > 500 - 6 * 22
    assert int(counts.max()) < 500 + 6 * 22


@pytest.mark.parametrize(
    ("images", "padding", "message"),
    [
        (
            some(2, 1, 4, 4).float(),
            4,
            "`images` must be a uint8 tensor (N, C, H, W), got torch.float32 of shape "
            "(2, 1, 4, 4); normalise after the crop",
        ),
        (
            some(1, 4, 4),
            4,
            "`images` must be a uint8 tensor (N, C, H, W), got torch.uint8 of shape (1, 4, 4); "
            "normalise after the crop",
        ),
        (
            np.zeros((2, 1, 4, 4), dtype=np.uint8),
            4,
            "`images` must be a uint8 tensor (N, C, H, W), got ndarray; normalise after the crop",
        ),
        (some(2, 1, 4, 4), -1, "`padding` must be at least 0 pixels, got -1"),
    ],
)
def test_other_input_is_refused(images: Any, padding: int, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        random_crop_flip(images, padding=padding, generator=generator())
