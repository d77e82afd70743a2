"""What a network is trained for: the losses of a step, and what they are read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from torchlgg.training._pairing import Pairing, TapNames
from torchlgg.training._term import Term


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """What a network is trained for; the base of all.

    A task names its losses (:attr:`terms`, the first of which is that of the labels) and the taps
    they are read from.
    """

    kind: ClassVar[str]
    embeds: ClassVar[bool] = False  # the output is an embedding, judged by its neighbours

    @property
    @abstractmethod
    def terms(self) -> tuple[Term, ...]:
        """The losses that are summed, that of the labels first."""

    @property
    def taps(self) -> TapNames:
        """The layers of the network that is trained."""
        return "auto"

    @property
    def partner_taps(self) -> TapNames:
        """The layers of its teacher."""
        return "auto"

    @property
    def pairing(self) -> Pairing:
        """How the two are paired."""
        return "order"

    @property
    def names(self) -> tuple[str, ...]:
        """The short names of the losses beside that of the labels, in order."""
        return tuple(term.name for term in self.terms[1:])

    def term(self, name: str) -> Term:
        """The term called ``name``, which must be among the losses."""
        return next(term for term in self.terms if term.name == name)

    @property
    def reads_taps(self) -> bool:
        """Whether any of the losses reads representations."""
        return any(term.reads_taps for term in self.terms)

    @property
    def needs_teacher(self) -> bool:
        """Whether any of the losses compares with a teacher."""
        return any(term.needs_teacher for term in self.terms)

    def after_step(self, net: nn.Module) -> None:  # noqa: B027  (most tasks do nothing)
        """What is done to the weights after every step of the optimiser.

        Args:
            net: the network that is trained; changed in place.
        """
