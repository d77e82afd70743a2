"""From what a module returned to one tensor of features.

Shapes: N examples, C channels, H height, W width, T tokens, D features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from torch import Tensor

from torchlgg.core import InputError

Pool = Literal["mean", "max", "cls"]
"""How a map or a token sequence becomes one vector per example."""


def tensors_in(output: Any) -> Iterator[Tensor]:
    """Every tensor of a module's output, in the order in which a reader meets it.

    Args:
        output: a tensor, or a tuple, list, mapping or dataclass of such outputs, nested as it
            may be. What is none of these holds no tensor.

    Yields:
        The tensors, depth first.
    """
    if isinstance(output, Tensor):
        yield output
        return
    parts: Iterable[Any] = ()
    if isinstance(output, Mapping):  # also the model outputs of transformers
        parts = output.values()
    elif isinstance(output, tuple | list):
        parts = output
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        parts = (getattr(output, field.name) for field in dataclasses.fields(output))
    for part in parts:
        yield from tensors_in(part)


def first_tensor(output: Any, *, tap: str) -> Tensor:
    """The first tensor of a module's output.

    Args:
        output: what the module returned.
        tap: the tap's name, for the error.

    Returns:
        The tensor itself, not a copy.

    Raises:
        InputError: the output holds no tensor.
    """
    for tensor in tensors_in(output):
        return tensor
    raise InputError(
        f"`layers` asks for {tap!r}, whose output must hold a tensor: it returned "
        f"{type(output).__name__}; tap a module inside or after it"
    )


def pool_features(features: Tensor, pool: Pool, *, tap: str) -> Tensor:
    """One vector per example: maps lose their space, token sequences their tokens.

    (N, C, H, W), and (N, C, T, H, W) of videos and volumes, are averaged or maximised over all
    that follows C; (N, T, D) over T. (N, D) stays as it is.

    Args:
        features: (N, D), (N, T, D), (N, C, H, W) or (N, C, T, H, W), batch first.
        pool: ``"mean"``, ``"max"``, or ``"cls"`` for the first token of (N, T, D).
        tap: the tap's name, for the errors.

    Returns:
        (N, C) or (N, D); a new tensor unless `features` is (N, D) already.

    Raises:
        InputError: a shape that `pool` has no meaning for.
    """
    if features.ndim == 2:
        return features
    if features.ndim not in (3, 4, 5):
        raise InputError(
            f"`pool` works on (N, D), (N, T, D), (N, C, H, W) and (N, C, T, H, W): {tap!r} has "
            f"shape {tuple(features.shape)}; capture it without `pool`"
        )
    if pool == "cls":
        if features.ndim != 3:
            raise InputError(
                f"`pool`='cls' takes the first token of (N, T, D): {tap!r} has shape "
                f"{tuple(features.shape)}; use 'mean' or 'max' for maps"
            )
        return features[:, 0].clone()
    places = features.flatten(2) if features.ndim > 3 else features.transpose(1, 2)
    # max over one dim remembers indices only, so that the network may still overwrite its map
    return places.mean(2) if pool == "mean" else places.max(2).values
