"""A cache of corrupted images in the layout of CIFAR-10-C, gone on with where it stopped.

A file takes its name when all its severities are in it. Until then it is a hidden one, and the
file that describes the folder lists its severities that have reached the disk.

Shapes: N images, S severities, C channels, H rows, W columns.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from torchlgg.core import InputError, cannot, check_option, write_atomically
from torchlgg.corruptions._cache_file import (
    describe_cache,
    read_cache_file,
    versions,
    write_cache_file,
)
from torchlgg.corruptions._constants import Constants
from torchlgg.corruptions._corrupt import check_images, check_seed
from torchlgg.corruptions._frost import frost_fingerprint
from torchlgg.corruptions._names import SEVERITIES, check_name, check_severity
from torchlgg.corruptions._open import partial_name
from torchlgg.corruptions._operations import Corruption, corruption

_STEP = 256  # images between two calls of `progress`


def write_corrupted(
    images: Tensor,
    folder: str | os.PathLike[str],
    *,
    names: Sequence[str],
    severities: Sequence[int] = SEVERITIES,
    seed: int = 0,
    labels: Tensor | None = None,
    constants: Constants = "cifar",
    frost_images: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    resume: bool = True,
) -> tuple[Path, ...]:
    """Corrupted copies of a set of images, one file a corruption, as CIFAR-10-C has them.

    The bytes are those of :func:`corrupt` with the indices 0 ... N - 1. ``corruptions.json``
    beside them says the seed, the constants, the severities, the fingerprint of the images and of
    the photographs, and the versions each file was made with. When the call is cut off, by whatever
    means, the next one with the same arguments goes on after the last whole severity.

    Args:
        images: (N, C, H, W), uint8, N >= 1, C is 1 or 3.
        folder: made if absent; its parent must exist.
        names: of :func:`corruption_names`; a later call may add others.
        severities: those to write, each once; the file holds them from the mildest on.
        seed: from 0 to 2^64 - 1.
        labels: (N,) whole numbers from 0 to 255, written to ``labels.npy``, S times over.
        constants: see :func:`corrupt`.
        frost_images: see :func:`corrupt`.
        progress: called now and then with the number of corrupted images that are written and
            their total.
        resume: ``False`` refuses a folder that holds a cache already, whole or not.

    Returns:
        The files of ``names``, in order.

    Raises:
        InputError: bad arguments as for :func:`corrupt`; a folder with arrays of another origin or
            of other images, seed, constants or severities; a full disk.

    Example:
        >>> import tempfile, torch
        >>> from torchlgg.corruptions import write_corrupted
        >>> images = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = write_corrupted(images, folder, names=["fog"], severities=[1, 2])
        ...     print([path.name for path in paths], np.load(paths[0]).shape)
        ['fog.npy'] (6, 8, 8, 1)
    """
    check_images(images, where="write_corrupted")
    if len(images) == 0:
        raise InputError("write_corrupted: `images` must hold at least one image, got none")
    check_option(constants, ("cifar", "imagenet"), name="constants", where="write_corrupted")
    check_seed(seed, where="write_corrupted")
    levels = _levels(severities)
    _check_names(names)

    def change(name: str, severity: int) -> Corruption:
        return corruption(
            name,
            severity,
            shape=(images.shape[1], images.shape[2], images.shape[3]),
            seed=seed,
            constants=constants,
            frost_images=frost_images,
        )

    for name, severity in itertools.product(names, levels):
        change(name, severity)  # refuses now what it would refuse after an hour
    label_bytes = None if labels is None else _label_array(labels, len(images), len(levels))

    place = Path(folder)
    with _told(place):
        place.mkdir(exist_ok=True)
    said = describe_cache(images, seed=seed, constants=constants, severities=levels)
    if "frost" in names and frost_images is not None:
        said["frost_images"] = frost_fingerprint(frost_images)
    said = _gone_on_with(place, said, names, resume=resume)
    write_cache_file(place, said)
    if label_bytes is not None:
        with write_atomically(place / "labels.npy") as file:
            np.save(file, label_bytes)

    total, counted = len(names) * len(levels) * len(images), 0

    def count(written: int) -> None:
        nonlocal counted
        counted += written
        if progress is not None:
            progress(counted, total)

    for name in names:
        with _told(place):
            _write_one(images, place, name, partial(change, name), said, count)
    return tuple(place / f"{name}.npy" for name in names)


def _write_one(
    images: Tensor,
    folder: Path,
    name: str,
    change: Callable[[int], Corruption],
    said: dict[str, Any],
    count: Callable[[int], None],
) -> None:
    path, unfinished = folder / f"{name}.npy", folder / partial_name(name)
    severities = said["severities"]
    if path.exists():
        count(len(images) * len(severities))
        return
    entry = said["files"].get(name)
    again = entry is None or entry["versions"] != versions() or not unfinished.exists()
    if again:
        entry = said["files"][name] = {"done": [], "versions": versions()}
        write_cache_file(folder, said)
    amount, channels, height, width = images.shape
    with unfinished.open("w+b" if again else "r+b") as file:
        np.lib.format.write_array_header_1_0(
            file,
            {
                "descr": "|u1",
                "fortran_order": False,
                "shape": (len(severities) * amount, height, width, channels),
            },
        )
        first = file.tell()
        for block, severity in enumerate(severities):
            if severity in entry["done"]:
                count(amount)
                continue
            file.seek(first + block * images.numel())
            _write_block(images, change(severity), file, count)
            _to_disk(file)
            entry["done"] = [*entry["done"], severity]
            write_cache_file(folder, said)
    # absent where another process that wrote the same bytes was faster
    with contextlib.suppress(FileNotFoundError):
        os.replace(unfinished, path)


def _write_block(
    images: Tensor, change: Corruption, file: BinaryIO, count: Callable[[int], None]
) -> None:
    for start in range(0, len(images), _STEP):
        pixels = images[start : start + _STEP].detach().cpu().numpy()
        changed = change(pixels, range(start, start + len(pixels)))
        file.write(np.ascontiguousarray(changed.transpose(0, 2, 3, 1)).data)
        count(len(pixels))


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _gone_on_with(
    folder: Path, said: dict[str, Any], names: Sequence[str], *, resume: bool
) -> dict[str, Any]:
    """The description to go on with: the one in the folder, if it is of the same cache."""
    found = read_cache_file(folder)
    if found is None:
        foreign = [name for name in names if (folder / f"{name}.npy").exists()]
        if foreign:
            raise InputError(
                f"`folder` {str(folder)!r} holds {foreign[0]}.npy of another origin; choose "
                "another folder"
            )
        return said
    if not resume:
        raise InputError(
            f"`folder` {str(folder)!r} holds a cache already; choose another folder, or go on "
            "with it with resume=True"
        )
    for key in ("seed", "constants", "severities", "images_shape", "images_sha256"):
        if found.get(key) != said[key]:
            raise InputError(
                f"`folder` {str(folder)!r} holds a cache of other images or settings: {key} there "
                f"is {found.get(key)!r}, here {said[key]!r}; choose another folder"
            )
    photographs = found.get("frost_images")
    if photographs and said["frost_images"] and photographs != said["frost_images"]:
        raise InputError(
            f"`folder` {str(folder)!r} holds frost of other photographs; choose another folder"
        )
    return found | {"frost_images": photographs or said["frost_images"]}


def _levels(severities: Sequence[int]) -> list[int]:
    for severity in severities:
        check_severity(severity, where="write_corrupted")
    if not severities or len(set(severities)) != len(severities):
        raise InputError(
            "write_corrupted: `severities` must name at least one severity, each once, got "
            f"{list(severities)}"
        )
    return sorted(severities)


def _check_names(names: Sequence[str]) -> None:
    if isinstance(names, str) or not names:
        raise InputError(
            "write_corrupted: `names` must be a list of at least one corruption, such as "
            f"corruption_names(), got {names!r}"
        )
    for name in names:
        check_name(name, where="write_corrupted")
    if len(set(names)) != len(names):
        raise InputError(f"write_corrupted: `names` must be all different, got {list(names)}")


def _label_array(labels: Tensor, count: int, times: int) -> Any:
    whole = isinstance(labels, Tensor) and not (labels.is_floating_point() or labels.is_complex())
    if not whole or labels.shape != (count,):
        raise InputError(
            f"write_corrupted: `labels` must be a tensor of whole numbers ({count},), one an image"
        )
    if int(labels.min()) < 0 or int(labels.max()) > 255:
        raise InputError(
            "write_corrupted: `labels` must lie between 0 and 255, as the layout holds bytes"
        )
    return labels.detach().cpu().to(torch.uint8).repeat(times).numpy()


@contextlib.contextmanager
def _told(folder: Path) -> Any:
    """A refusal of the operating system as one sentence."""
    try:
        yield
    except OSError as error:
        raise cannot("write", folder, error) from error
