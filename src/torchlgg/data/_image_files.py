"""Labelled images that stay on disk and are decoded each time they are asked for.

Shapes: N images, B of a batch, C channels, S rows and columns.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from torchlgg.core import InputError
from torchlgg.data._fields import (
    check_class_names,
    check_labels,
    check_statistics,
    normalized,
    positions,
)
from torchlgg.data._pixel_store import PixelStore
from torchlgg.data._pixels import StoredImage, decode_image

_MOST_WORKERS = 8


@dataclass(frozen=True, eq=False, repr=False)
class ImageFiles:
    """Labelled images of one size that are decoded at each access: for what memory cannot hold.

    It has all that :class:`ImageSet` has but ``images``, and gives the same pixels:
    :func:`open_images` returns it for a large folder of images. Each image is turned upright,
    resized so that its shorter side has ``image_size`` pixels, and cut to the square in the
    centre.

    Args:
        folder: where the files are.
        names: N names of files relative to ``folder``, with forward slashes.
        labels: (N,), int64, positions in ``class_names``.
        class_names: one name a class, all different, in the recorded order.
        image_size: S, the pixels of a side.
        channels: 3 for RGB, which grey images are turned into, or 1 when all are grey.
        mean: one number a channel, on the scale where pixels run from 0 to 1.
        std: one positive number a channel, on the same scale.
        source: where the images came from, in words, for the records.
        statistics: where ``mean`` and ``std`` came from, as in :class:`ImageSet`.
        workers: how many processes decode; 0 is this one alone, None one for each CPU that may be
            used, 8 at most. The pixels are the same for any number.

    Raises:
        InputError: when a field does not fit the others. The files are not looked at.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from torchlgg.data import ImageFiles, batches
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (40, 20), "red").save(Path(folder, "wide.png"))
        ...     Image.new("RGB", (30, 60), "blue").save(Path(folder, "tall.png"))
        ...     pair = ImageFiles(
        ...         folder=Path(folder),
        ...         names=("wide.png", "tall.png"),
        ...         labels=torch.tensor([0, 1]),
        ...         class_names=("red", "blue"),
        ...         image_size=16,
        ...         channels=3,
        ...         mean=(0.5, 0.5, 0.5),
        ...         std=(0.5, 0.5, 0.5),
        ...         source="two colours",
        ...         workers=0,
        ...     )
        ...     [tuple(pixels.shape) for pixels in pair.pixels(batches(2, batch_size=2))]
        [(2, 3, 16, 16)]
        >>> pair
        ImageFiles(2 images of 3 x 16 x 16, 2 classes, source='two colours')
    """

    folder: Path
    names: tuple[str, ...]
    labels: Tensor
    class_names: tuple[str, ...]
    image_size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    statistics: Literal["published", "computed", "given"] = "given"
    workers: int | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("`names` must name at least one image, got none")
        check_class_names(self.class_names)
        check_labels(self.labels, count=len(self.names), names=self.class_names)
        if self.channels not in (1, 3):
            raise InputError(f"`channels` must be 1 or 3, got {self.channels!r}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            check_statistics(name, values, channels=self.channels)
        for name, value, smallest in (
            ("image_size", self.image_size, 1),
            ("workers", 0 if self.workers is None else self.workers, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
                raise InputError(
                    f"`{name}` must be a whole number of at least {smallest}, got {value!r}"
                )

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.shape))
        return (
            f"ImageFiles({len(self)} images of {size}, {len(self.class_names)} classes, "
            f"source={self.source!r})"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image once it is decoded."""
        return self.channels, self.image_size, self.image_size

    def pixels(self, plan: Sequence[Tensor]) -> Iterator[Tensor]:
        """The pixels of one batch after the other, decoded ahead by the workers.

        Args:
            plan: (B,) positions a batch, as :func:`batches` and :func:`balanced_batches` draw
                them.

        Returns:
            An iterator of one (B, C, S, S) uint8 tensor an entry, in order, on the CPU. No global
            random state is read or changed.

        Raises:
            InputError: when an image has vanished or does not decode (the message names it), or
                a worker dies.
        """
        workers = min(default_workers() if self.workers is None else self.workers, len(plan))
        loader: DataLoader[Tensor | str] = DataLoader(
            _Decoded(self),
            batch_sampler=[positions_B.tolist() for positions_B in plan],
            num_workers=workers,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # it draws a seed, which must not be the global one's
        )
        try:
            for decoded in loader:
                if isinstance(decoded, str):
                    raise InputError(decoded)
                yield decoded
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise InputError(
                f"`workers`: one of {workers} processes that decode images died, perhaps for want "
                f"of memory ({str(error).splitlines()[0].rstrip('. ')}); pass fewer, or 0 to "
                f"decode without any"
            ) from error

    def subset(self, indices: Tensor | Sequence[int]) -> Self:
        """The images at the given positions, in the given order, with everything else the same.

        Args:
            indices: (M,) whole numbers from 0 to N - 1, M >= 1; a position may come twice.

        Raises:
            InputError: when ``indices`` is empty, not of whole numbers, or out of range.
        """
        index = positions(indices, count=len(self)).cpu()
        names = tuple(self.names[position] for position in index.tolist())
        return replace(self, names=names, labels=self.labels[index.to(self.labels.device)])

    def normalize(self, images: Tensor) -> Tensor:
        """Pixels as the network sees them: (v / 255 - mean) / std, channel by channel.

        Args:
            images: (..., C, H, W), uint8, on any device; not changed.

        Returns:
            The same shape in float32, on the same device.

        Raises:
            InputError: when ``images`` is not uint8 or has another number of channels.
        """
        return normalized(images, mean=self.mean, std=self.std)

    def content_hash(self) -> str:
        """A fingerprint of what is on disk now, for records, without decoding it.

        SHA-256 of the shape of the images, the relative names of their files, the sizes of these
        in bytes, and the labels. A file that is changed without changing its size goes unnoticed.
        It never equals that of an :class:`ImageSet`.

        Returns:
            64 hexadecimal digits.

        Raises:
            InputError: when a file has vanished.
        """
        digest = hashlib.sha256(f"files {self.shape}".encode())
        for name, label in zip(self.names, self.labels.tolist(), strict=True):
            path = self.folder / name
            try:
                size = path.stat().st_size
            except OSError as error:
                raise InputError(
                    f"`source`: {path} was there when the folder was opened and cannot be read "
                    f"now: {error.strerror or error}; put it back, or open the folder again"
                ) from error
            digest.update(f"{name}\0{size} {label}\n".encode())
        return digest.hexdigest()


def default_workers() -> int:
    """One process for each CPU that this one may use, 8 at most; none where there is one CPU."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = min(usable or 1, _MOST_WORKERS)
    return workers if workers > 1 else 0


class _Decoded(Dataset[Tensor | str]):
    """Batches of decoded images; what is wrong with one comes back as its sentence.

    An exception would be wrapped by the loader in the traceback of a worker.
    """

    def __init__(self, files: ImageFiles) -> None:
        self._folder = str(files.folder)
        self._names = files.names
        self._size = files.image_size
        self._channels = files.channels

    def __getitems__(self, rows: list[int]) -> Tensor | str:
        store = PixelStore(len(rows))
        try:
            for row in rows:
                path = Path(self._folder, self._names[row])
                image = decode_image(StoredImage(path, str(path)), image_size=self._size)
                if image.ndim == 3 and self._channels == 1:
                    raise InputError(
                        f"`source`: {path} has colours, but every image was grey when the folder "
                        f"was opened; open it again"
                    )
                store.add(image, str(path))
        except InputError as problem:
            return str(problem)
        pixels = store.tensor()
        return pixels.expand(-1, self._channels, -1, -1).contiguous()


def _as_it_is(decoded: Any) -> Any:
    return decoded
