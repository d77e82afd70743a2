"""The noises: their distributions, and that every value has its own draw."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.corruptions.making import flat, pictures
from torchlgg.corruptions import corrupt
from torchlgg.corruptions._names import NUMBERED
from torchlgg.corruptions._streams import Streams

LEVEL = 120
COUNT = 64  # 64 x 3072 values: a mean is known to 1 / 443 of a deviation


def drawn(name: str, severity: int) -> np.ndarray:
    images = flat(LEVEL, COUNT)
    return corrupt(images, name, severity, seed=3).numpy().astype(float)


def autocorrelations(noisy: np.ndarray) -> list[float]:
    """With the next row, the next column, the next channel and the next image."""
    centered = noisy - noisy.mean()
    power = (centered**2).mean()
    return [
        float((centered.take(range(1, size), axis) * centered.take(range(size - 1), axis)).mean())
        / power
        for axis, size in enumerate(noisy.shape)
    ]


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["gaussian_noise", "speckle_noise"])
def test_normal_noise(name: str, severity: int) -> None:
    table = {
        "gaussian_noise": [0.04, 0.06, 0.08, 0.09, 0.10],
        "speckle_noise": [0.06, 0.1, 0.12, 0.16, 0.2],
    }
    deviation = 255 * table[name][severity - 1]
    if name == "speckle_noise":
        deviation *= LEVEL / 255
    noisy = drawn(name, severity)
    # cutting off takes away U(0, 1): half a level of the mean, and adds 1/12 to the variance
    values = noisy.size
    assert abs(noisy.mean() - (LEVEL - 0.5)) < 5 * deviation / values**0.5
    assert abs(noisy.std() / (deviation**2 + 1 / 12) ** 0.5 - 1) < 5 / (2 * values) ** 0.5
    assert abs(stats.kurtosis(noisy.ravel())) < 5 * (24 / values) ** 0.5 + 0.01  # clipped a little
    assert max(map(abs, autocorrelations(noisy))) < 5 / values**0.5


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_shot_noise_is_the_inverse_of_poissons_distribution(severity: int) -> None:
    """Level by level against scipy's quantiles, on all 256 levels, for the same draws."""
    photons = [500, 250, 100, 75, 50][severity - 1]
    images = pictures(2)
    images[0].view(-1)[:256] = images.new_tensor(range(256))
    streams = Streams(
        seed=3, indices=range(2), corruption=NUMBERED.index("shot_noise"), severity=severity
    )
    counts = stats.poisson.ppf(streams.uniform(3, 32, 32), images.numpy() / 255 * photons)
    expected = (np.clip(np.maximum(counts, 0) / photons, 0, 1) * 255).astype(np.uint8)
    got = corrupt(images, "shot_noise", severity, seed=3).numpy()
    np.testing.assert_array_equal(got, expected)


def test_shot_noise_of_black_and_white() -> None:
    assert corrupt(flat(0), "shot_noise", 5).unique().tolist() == [0]
    white = corrupt(flat(255, COUNT), "shot_noise", 5).numpy() / 255
    assert abs((white == 1).mean() - stats.poisson.sf(49, 50)) < 0.01


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_impulse_noise_is_half_black_half_white_in_each_channel_for_itself(severity: int) -> None:
    probability = [0.01, 0.02, 0.03, 0.05, 0.07][severity - 1]
    noisy = drawn("impulse_noise", severity)
    assert set(np.unique(noisy)) == {0, LEVEL, 255}
    slack = 5 * (probability / 2 / noisy.size) ** 0.5
    for level in (0, 255):
        assert abs((noisy == level).mean() - probability / 2) < slack
    hit = noisy != LEVEL
    together = (hit[:, 0] & hit[:, 1]).mean()
    assert together < 2 * probability**2 + 5 * probability / hit[:, 0].size ** 0.5


def test_uniform_draws_fill_the_open_interval() -> None:
    u = Streams(seed=0, indices=range(50), corruption=0, severity=1).uniform(2000)
    assert 0 < u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(u)[np.triu_indices(50, 1)]).max() < 0.12  # no two images alike


def test_the_next_draws_are_other_ones() -> None:
    streams = Streams(seed=0, indices=[4], corruption=0, severity=1)
    both = np.concatenate([streams.uniform(3), streams.uniform(4)], axis=1)
    whole = Streams(seed=0, indices=[4], corruption=0, severity=1).uniform(7)
    np.testing.assert_array_equal(both, whole)
