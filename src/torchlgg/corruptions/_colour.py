"""Brightness, saturation and contrast.

Shapes: N images, 3 channels, H rows, W columns.
"""

from __future__ import annotations

import numpy as np

from torchlgg.corruptions._constants import Row
from torchlgg.corruptions._levels import Bytes, Floats, truncated, unit
from torchlgg.corruptions._streams import Streams


def brightness(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """A constant added to the value of the HSV colours."""
    (added,) = row
    hue, saturation, value = _hsv(unit(images))
    return truncated(_rgb(hue, saturation, np.clip(value + added, 0, 1)))


def saturate(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """The saturation of the HSV colours, multiplied and moved."""
    factor, added = row
    hue, saturation, value = _hsv(unit(images))
    return truncated(_rgb(hue, np.clip(saturation * factor + added, 0, 1), value))


def contrast(images: Bytes, row: Row, streams: Streams) -> Bytes:
    """Every channel drawn towards its mean in the image."""
    (factor,) = row
    x = unit(images)
    count, channels, height, width = x.shape
    # added up pixel by pixel in the order of the original, whose last bit decides some bytes
    sums = np.add.reduce(
        np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(count, -1, channels), axis=1
    )
    mean = (sums / (height * width)).reshape(count, channels, 1, 1)
    return truncated((x - mean) * factor + mean)


def _hsv(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Hue, saturation and value, (N, H, W), from 0 to 1; the hue of a grey is 0."""
    red, green, blue = x[:, 0], x[:, 1], x[:, 2]
    value = x.max(axis=1)
    range_ = value - x.min(axis=1)
    safe = np.where(range_ > 0, range_, 1)
    # where two channels are the largest the later one decides
    hue = np.where(
        blue == value,
        4 + (red - green) / safe,
        np.where(green == value, 2 + (blue - red) / safe, (green - blue) / safe),
    )
    hue = np.where(range_ > 0, hue / 6 % 1, 0)
    saturation = np.where(range_ > 0, range_ / np.where(value > 0, value, 1), 0)
    return hue, saturation, value


def _rgb(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    """(N, 3, H, W) of hue, saturation and value."""
    sector = np.floor(hue * 6)
    part = hue * 6 - sector
    low = value * (1 - saturation)
    falling = value * (1 - part * saturation)
    rising = value * (1 - (1 - part) * saturation)
    which = sector.astype(np.uint8) % 6
    channels = (
        (value, falling, low, low, rising, value),
        (rising, value, value, falling, low, low),
        (low, low, rising, value, value, falling),
    )
    return np.stack([np.choose(which, sextants) for sextants in channels], axis=1)
