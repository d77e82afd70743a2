"""The tasks beside distillation: to classify, to embed, to make robust."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from torchlgg.core import InputError
from torchlgg.nets import parseval_retraction_
from torchlgg.training._label_terms import CE, GSL, SmoothnessVariation
from torchlgg.training._pairing import TapNames
from torchlgg.training._task import Task
from torchlgg.training._term import Term


@dataclass(frozen=True, kw_only=True)
class Classify(Task):
    """Labels by cross-entropy: the baseline of every other task.

    Args:
        label_smoothing: from 0, none, up to but not 1.

    Example:
        >>> from torchlgg.training import Classify
        >>> Classify().terms
        (CE(weight=1.0, gradient_ratio=None, label_smoothing=0.0),)
    """

    kind: ClassVar[str] = "classify"
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        _ = self.terms  # checks the smoothing

    @property
    def terms(self) -> tuple[Term, ...]:
        """Cross-entropy."""
        return (CE(label_smoothing=self.label_smoothing),)


@dataclass(frozen=True, kw_only=True)
class Embed(Task):
    """Embeddings on whose graph the labels are smooth (GSL), in place of a classifier.

    The output of the network is the embedding, of any width. It is judged by its nearest
    neighbours among the training images; see :func:`~torchlgg.evaluation.evaluate_embeddings`.

    Args:
        loss: the graph smoothness loss and its settings.

    Example:
        >>> from torchlgg.training import GSL, Embed
        >>> Embed(loss=GSL(alpha=2.0)).terms[0].alpha
        2.0
    """

    kind: ClassVar[str] = "embed"
    embeds: ClassVar[bool] = True
    loss: GSL = field(default_factory=GSL)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The graph smoothness loss alone."""
        return (self.loss,)


@dataclass(frozen=True, kw_only=True)
class Robustify(Task):
    """Cross-entropy with geometry that varies smoothly from layer to layer, or Parseval, or both.

    Args:
        variation: the smoothness variation over the taps; ``None`` leaves it out.
        parseval: β, the step towards orthonormal rows that all weight matrices make after every
            step of the optimiser (:func:`~torchlgg.nets.parseval_retraction_`); ``None`` leaves it
            out. The network should be built for it: ``build_net(..., parseval=True)``.
        layers: the layers of the variation: module paths or globs, or ``"relu"``, the output of
            every ReLU, as published.

    Raises:
        InputError: β that is not above 0 and below 1.

    Example:
        >>> from torchlgg.training import Robustify
        >>> Robustify().names, Robustify(variation=None, parseval=0.01).names
        (('variation',), ())
    """

    kind: ClassVar[str] = "robustify"
    variation: SmoothnessVariation | None = field(default_factory=SmoothnessVariation)
    parseval: float | None = None
    layers: TapNames = "relu"

    def __post_init__(self) -> None:
        if self.parseval is not None and not 0 < self.parseval < 1:
            raise InputError(f"`parseval` must be above 0 and below 1, got {self.parseval!r}")

    @property
    def terms(self) -> tuple[Term, ...]:
        """Cross-entropy, and the variation where it is asked for."""
        return (CE(),) if self.variation is None else (CE(), self.variation)

    @property
    def taps(self) -> TapNames:
        """The layers of the variation."""
        return self.layers

    def after_step(self, net: nn.Module) -> None:
        """One step of every weight matrix of ``net`` towards orthonormal rows, if asked for."""
        if self.parseval is not None:
            parseval_retraction_(net, beta=self.parseval)
