"""The corruptions that draw nothing, one image and one number at a time, from the table.

Each takes (rows, columns, 3) bytes and a severity and returns the levels 0 ... 255 before they are
cut off, as floats. Zoom and JPEG are those of the libraries that the original calls.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import zoom

Array = np.ndarray[Any, Any]


def brightness(image: Array, severity: int) -> Array:
    added = [0.05, 0.1, 0.15, 0.2, 0.3][severity - 1]
    return _in_hsv(image, lambda h, s, v: (h, s, min(v + added, 1.0)))


def saturate(image: Array, severity: int) -> Array:
    factor, added = [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)][severity - 1]
    return _in_hsv(image, lambda h, s, v: (h, min(max(s * factor + added, 0.0), 1.0), v))


def contrast(image: Array, severity: int) -> Array:
    factor = [0.75, 0.5, 0.4, 0.3, 0.15][severity - 1]
    result = np.empty(image.shape)
    for channel in range(3):
        total = 0.0
        for row in image[:, :, channel].tolist():
            for level in row:
                total += level / 255
        mean = total / image[:, :, 0].size
        for y, row in enumerate(image[:, :, channel].tolist()):
            for x, level in enumerate(row):
                result[y, x, channel] = _clip((level / 255 - mean) * factor + mean) * 255
    return result


def gaussian_blur(image: Array, severity: int) -> Array:
    deviation = [0.4, 0.6, 0.7, 0.8, 1][severity - 1]
    reach = int(4 * deviation + 0.5)
    weights = [math.exp(-(i**2) / (2 * deviation**2)) for i in range(-reach, reach + 1)]
    kernel = {
        (i - reach, j - reach): a * b / sum(weights) ** 2
        for i, a in enumerate(weights)
        for j, b in enumerate(weights)
    }
    return _filtered(image, kernel, lambda place, size: min(max(place, 0), size - 1))


def defocus_blur(image: Array, severity: int) -> Array:
    radius, smooth = [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)][severity - 1]
    inside = [(y, x) for y in range(-8, 9) for x in range(-8, 9) if x * x + y * y <= radius**2]
    side = math.exp(-1 / (2 * smooth**2))
    weights = {-1: side / (1 + 2 * side), 0: 1 / (1 + 2 * side), 1: side / (1 + 2 * side)}
    kernel: dict[tuple[int, int], float] = {}
    for y, x in inside:
        for i, a in weights.items():
            for j, b in weights.items():
                kernel[y + i, x + j] = kernel.get((y + i, x + j), 0) + a * b / len(inside)
    return _filtered(image, kernel, _mirrored)


def zoom_blur(image: Array, severity: int) -> Array:
    factors = np.arange(1, [1.06, 1.11, 1.16, 1.21, 1.26][severity - 1], 0.01)
    x = (image / 255.0).astype(np.float32)
    total = np.zeros_like(x)
    size = len(image)
    for factor in factors:
        part = math.ceil(size / factor)
        top = (size - part) // 2
        grown = zoom(x[top : top + part, top : top + part], (factor, factor, 1), order=1)
        trim = (len(grown) - size) // 2
        total += grown[trim : trim + size, trim : trim + size]
    return np.clip((x + total) / (len(factors) + 1), 0, 1) * 255


def pixelate(image: Array, severity: int) -> Array:
    share = [0.95, 0.9, 0.85, 0.75, 0.65][severity - 1]
    height, width = image.shape[:2]
    small = _boxes(image, int(height * share), int(width * share))
    return _boxes(small, height, width)


def jpeg_compression(image: Array, severity: int) -> Array:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=[80, 65, 58, 50, 40][severity - 1])
    return np.asarray(Image.open(io.BytesIO(file.getvalue())))


DETERMINISTIC: dict[str, Callable[[Array, int], Array]] = {
    function.__name__: function
    for function in (
        brightness,
        contrast,
        defocus_blur,
        gaussian_blur,
        jpeg_compression,
        pixelate,
        saturate,
        zoom_blur,
    )
}
# where the sum of a kernel's products is taken in another order than ours, in its last bits
BY_KERNEL = ("defocus_blur", "gaussian_blur")


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _mirrored(place: int, size: int) -> int:
    if place < 0:
        return -place
    return 2 * size - 2 - place if place >= size else place


def _filtered(
    image: Array, kernel: dict[tuple[int, int], float], inside: Callable[[int, int], int]
) -> Array:
    height, width, channels = image.shape
    result = np.empty(image.shape)
    levels = image.tolist()
    for y in range(height):
        for x in range(width):
            for channel in range(channels):
                result[y, x, channel] = math.fsum(
                    weight * levels[inside(y + i, height)][inside(x + j, width)][channel]
                    for (i, j), weight in kernel.items()
                )
    return result


def _boxes(image: Array, height: int, width: int) -> Array:
    """Means over boxes, columns first, rounded after each of the two passes."""
    for axis, size in ((1, width), (0, height)):
        scale = image.shape[axis] / size
        parts = []
        for place in range(size):
            center = (place + 0.5) * scale
            reach = max(scale, 1) / 2
            inside = [
                source
                for source in range(image.shape[axis])
                if -reach < source + 0.5 - center <= reach
            ]
            total = sum(image.take(source, axis).astype(int) for source in inside)
            parts.append(np.floor(total / len(inside) + 0.5).astype(np.uint8))
        image = np.stack(parts, axis=axis)
    return image


def _in_hsv(image: Array, change: Callable[[float, float, float], tuple[float, ...]]) -> Array:
    result = np.empty(image.shape)
    for y, row in enumerate(image.tolist()):
        for x, (r, g, b) in enumerate(row):
            rgb = _rgb(*change(*_hsv(r / 255, g / 255, b / 255)))
            result[y, x] = [_clip(level) * 255 for level in rgb]
    return result


def _hsv(r: float, g: float, b: float) -> tuple[float, float, float]:
    value, delta = max(r, g, b), max(r, g, b) - min(r, g, b)
    if delta == 0:
        return 0.0, 0.0, value
    if b == value:
        hue = 4 + (r - g) / delta
    elif g == value:
        hue = 2 + (b - r) / delta
    else:
        hue = (g - b) / delta
    return (hue / 6) % 1, delta / value, value


def _rgb(h: float, s: float, v: float) -> tuple[float, float, float]:
    sector = math.floor(h * 6)
    f = h * 6 - sector
    p, q, t = v * (1 - s), v * (1 - f * s), v * (1 - (1 - f) * s)
    return [(v, t, p), (q, v, p), (p, v, t), (p, q, v), (t, p, v), (v, p, q)][sector % 6]
