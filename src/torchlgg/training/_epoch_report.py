"""What is said of an epoch when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What an epoch did.

    Args:
        epoch: counted from 1.
        learning_rate: of its last step.
        terms: the mean weighted value of each term of the objective.
        gradient_shares: the share of each term in the gradient that reaches the student's
            parameters, a mean over the steps in which it was measured; empty if none was.
        smoothness: the smoothness of the labels on the graph of each watched tap
            (:func:`label_smoothness`); empty if none is watched.
        validation_error: the fraction of validation images that are wrong after it; ``None``
            without such images.
        seconds: of the epoch, without the validation.
        images_per_second: training images.
        part_seconds: the seconds of each part of the steps that were timed: all of them on a CPU,
            a sample on an accelerator. A term's part holds its forward and its backward half.
        steps: how many batches.
        skipped_steps: how many of them left the weights as they were, because the gradient
            overflowed in ``"float16"``; a few at the beginning are the scaler finding its scale.

    Example:
        >>> from torchlgg.training import EpochReport
        >>> report = EpochReport(epoch=1, learning_rate=0.1, terms={"ce": 2.0},
        ...     validation_error=None, seconds=2.0, images_per_second=500.0,
        ...     part_seconds={"ce": 0.5, "student forward": 1.5}, steps=8)
        >>> report.share("ce")
        0.25
    """

    epoch: int
    learning_rate: float
    terms: Mapping[str, float]
    validation_error: float | None
    seconds: float
    images_per_second: float
    part_seconds: Mapping[str, float]
    steps: int
    gradient_shares: Mapping[str, float] = field(default_factory=dict)
    smoothness: Mapping[str, float] = field(default_factory=dict)
    skipped_steps: int = 0

    def share(self, part: str) -> float:
        """The fraction of the timed steps that ``part`` took; 0 for a part that did not run."""
        return self.part_seconds.get(part, 0.0) / sum(self.part_seconds.values())
