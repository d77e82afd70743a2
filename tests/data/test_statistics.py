from __future__ import annotations

import numpy as np
import pytest
import torch

from torchlgg.data._statistics import _CIFAR100_CLASSES as CIFAR100
from torchlgg.data._statistics import channel_statistics

CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def images(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    # A triangular distribution, different in each channel.
    low, high = (torch.randint(0, 120, shape, generator=generator) for _ in range(2))
    offset = torch.arange(shape[1]).view(-1, 1, 1) * 7
    return (low + high + offset).to(torch.uint8)


@pytest.mark.parametrize("shape", [(9, 1, 4, 4), (40, 3, 5, 7), (2, 4, 1, 1)])
def test_measured_in_float64(shape: tuple[int, ...]) -> None:
    x = images(*shape)
    found = channel_statistics(x, ("a", "b"))
    values = x.numpy().astype(np.float64) / 255
    assert found.origin == "computed"
    np.testing.assert_allclose(found.mean, values.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(found.std, values.std((0, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_constant_channel_has_deviation_one(value: int) -> None:
    x = images(6, 3, 4, 4)
    x[:, 1] = value
    found = channel_statistics(x, ("a", "b"))
    assert found.std[1] == 1.0
    assert found.mean[1] == pytest.approx(value / 255, abs=1e-15)
    assert found.std[0] < 1 > found.std[2]


@pytest.mark.parametrize(
    ("names", "shape", "origin"),
    [
        (CIFAR10, (2, 3, 32, 32), "published"),
        (CIFAR100, (2, 3, 32, 32), "published"),
        ((*CIFAR100[:26], "cra", *CIFAR100[27:]), (2, 3, 32, 32), "published"),
        (CIFAR100[::-1], (2, 3, 32, 32), "computed"),
        (CIFAR10, (2, 3, 32, 24), "computed"),
        (CIFAR10, (2, 1, 32, 32), "computed"),
        (CIFAR10[::-1], (2, 3, 32, 32), "computed"),
    ],
)
def test_cifar_is_known_by_its_names_and_its_shape(
    names: tuple[str, ...], shape: tuple[int, ...], origin: str
) -> None:
    found = channel_statistics(images(*shape), names)
    assert found.origin == origin
    if origin == "published" and len(names) == 100:
        assert found.mean == (0.5071, 0.4867, 0.4408)
        assert found.std == (0.2675, 0.2565, 0.2761)
    elif origin == "published":
        assert found.mean == (0.4914, 0.4822, 0.4465)
        assert found.std == (0.2023, 0.1994, 0.2010)


def test_the_hundred_names_are_the_published_ones() -> None:
    assert len(set(CIFAR100)) == 100
    assert list(CIFAR100) == sorted(CIFAR100)  # as CIFAR-100 numbers them
    assert {"crab", "maple_tree", "sweet_pepper", "worm"} < set(CIFAR100)
