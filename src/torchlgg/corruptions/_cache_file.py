"""The small file beside a cache of corrupted images that says what is in it."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from torchlgg.core import InputError, write_text_atomically

NAME = "corruptions.json"
_FORMAT = 1
_PACKAGES = ("numpy", "scipy", "pillow")


def read_cache_file(folder: Path) -> dict[str, Any] | None:
    """What a folder says of its arrays; ``None`` where it says nothing.

    Raises:
        InputError: a file of this name that is not one of ours.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or found.get("format") != _FORMAT or not _whole(found):
        raise InputError(
            f"{str(path)!r} does not describe corrupted images as this version writes them; take "
            "another folder, or remove it together with the arrays beside it"
        )
    return found


def write_cache_file(folder: Path, content: dict[str, Any]) -> None:
    """Put what there is to say in the folder, whole."""
    write_text_atomically(folder / NAME, json.dumps(content, indent=2) + "\n")


def describe_cache(images: Tensor, *, seed: int, constants: str, severities: list[int]) -> Any:
    """What must be the same for a cache to be gone on with, and no file yet."""
    return {
        "format": _FORMAT,
        "seed": seed,
        "constants": constants,
        "severities": severities,
        "images_shape": list(images.shape),
        "images_sha256": _fingerprint(images),
        "frost_images": None,
        "files": {},
    }


def versions() -> dict[str, str]:
    """The software whose changes may change a byte."""
    # by name: the package above is not ours to import, and its metadata may be of another copy
    own = {"torchlgg": str(sys.modules["torchlgg"].__version__)}
    return own | {package: metadata.version(package) for package in _PACKAGES}


def _whole(found: dict[str, Any]) -> bool:
    severities, files = found.get("severities"), found.get("files")
    return (
        isinstance(severities, list)
        and len(severities) > 0
        and isinstance(files, dict)
        and all(isinstance(entry, dict) and "done" in entry for entry in files.values())
    )


def _fingerprint(images: Tensor) -> str:
    digest = hashlib.sha256(repr(tuple(images.shape)).encode())
    for part in torch.split(images, 1024):
        digest.update(part.cpu().contiguous().numpy().data)
    return digest.hexdigest()
