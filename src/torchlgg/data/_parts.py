"""What the readers of the three kinds of sources hand to `open_images`."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Part(NamedTuple):
    """One split as it was read: pixels (N, C, H, W), labels (N,), and its name for the records."""

    images: Tensor
    labels: Tensor
    name: str


class Parts(NamedTuple):
    """Both splits as they were read, with the names of their classes."""

    train: Part
    test: Part
    class_names: tuple[str, ...]


def train_name(taken: int, available: int) -> str:
    """The name of a training part for the records; says so when images were left out."""
    return "train" if taken == available else f"train, {taken} of {available} images"
