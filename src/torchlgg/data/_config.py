"""What a run can be told of its images, and the sets that come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torchlgg.core import InputError
from torchlgg.data._image_files import ImageFiles
from torchlgg.data._image_set import ImageSet
from torchlgg.data._open import open_images
from torchlgg.data._statistics import given_statistics
from torchlgg.data._validation import split_validation


class DataSplits(NamedTuple):
    """The images of a run.

    Attributes:
        train: to learn from.
        validation: held out of the training images, to choose by; None when nothing is.
        test: to be looked at once, at the end.

    Example:
        >>> from torchlgg.data import DataConfig
        >>> splits = DataConfig(source="digits", limit=100, validation=0.2).open()
        >>> [len(part) for part in splits]
        [79, 21, 359]
    """

    train: ImageSet | ImageFiles
    validation: ImageSet | ImageFiles | None
    test: ImageSet | ImageFiles


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which images a run learns from, and what it holds out to choose by.

    Args:
        source: as :func:`open_images` takes it; None is to be filled in before :meth:`open`.
        limit: at most this many training images, before some are held out.
        image_size: pixels of a side to resize to; None keeps the size.
        validation: the fraction of the training images that is held out, class by class, between
            0 and 1; 0 holds out none.
        split_seed: of what is held out, and of the random choices of :func:`open_images`.
        mean: the normalisation to use, one number a channel from 0 to 1, such as that of a
            pretrained network; None measures it, or uses the published one of a known set.
        std: the standard deviations that belong to ``mean``.
        in_memory: False leaves a folder of images on disk, None only a large one.
        workers: processes that decode images left on disk; None is one a CPU, 8 at most.

    Raises:
        InputError: a value out of its range, by name.

    Example:
        >>> from torchlgg.data import DataConfig
        >>> DataConfig(source="digits", validation=0).open().validation is None
        True
    """

    source: str | None = None
    limit: int | None = None
    image_size: int | None = None
    validation: float = 0.1
    split_seed: int = 0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    in_memory: bool | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.source is not None and (not isinstance(self.source, str) or not self.source):
            raise InputError(
                f"`source` must be 'digits' or the name of a folder of images, got {self.source!r}"
            )
        for name, smallest, optional in (
            ("limit", 1, True),
            ("image_size", 1, True),
            ("workers", 0, True),
            ("split_seed", 0, False),
        ):
            value = getattr(self, name)
            if value is None and optional:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
                raise InputError(
                    f"`{name}` must be a whole number of at least {smallest}, got {value!r}"
                )
        number = isinstance(self.validation, int | float) and not isinstance(self.validation, bool)
        if not number or not 0 <= self.validation < 1:
            raise InputError(
                f"`validation` must be a fraction of at least 0 and below 1, got "
                f"{self.validation!r}"
            )
        if self.in_memory is not None and not isinstance(self.in_memory, bool):
            raise InputError(f"`in_memory` must be True, False or None, got {self.in_memory!r}")
        given_statistics(self.mean, self.std)

    def open(self, progress: Callable[[int, int], None] | None = None) -> DataSplits:
        """Finds and reads the images.

        Args:
            progress: called now and then with the number of images done and of all images.

        Returns:
            The sets, all of one kind and with one normalisation.

        Raises:
            InputError: as :func:`open_images` and :func:`split_validation` do.
        """
        if self.source is None:
            raise InputError(
                "`source` must be 'digits' or the name of a folder of images, got none; pass it "
                "(`--data`)"
            )
        train, test = open_images(
            self.source,
            limit=self.limit,
            image_size=self.image_size,
            seed=self.split_seed,
            mean=self.mean,
            std=self.std,
            in_memory=self.in_memory,
            workers=self.workers,
            progress=progress,
        )
        if not self.validation:
            return DataSplits(train, None, test)
        split = split_validation(train, fraction=self.validation, seed=self.split_seed)
        return DataSplits(split.train, split.validation, test)
