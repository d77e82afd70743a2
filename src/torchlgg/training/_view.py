"""What the losses see of a network in one step. Shapes: N examples, C classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from torchlgg.core import InputError, at_least_float32, did_you_mean
from torchlgg.training._pairing import Pairing

TapChoice = tuple[str, ...] | Literal["all"]


@dataclass(frozen=True)
class View:
    """What the losses see of a network: its logits and its taps, by name, in order.

    Args:
        logits_NC: (N, C).
        taps: representations (N, ...).

    Example:
        >>> import torch
        >>> from torchlgg.training import View
        >>> list(View(torch.zeros(2, 3), {"pool": torch.ones(2, 5)}).leaves().taps)
        ['pool']
    """

    logits_NC: Tensor
    taps: dict[str, Tensor]

    @classmethod
    def absent(cls) -> View:
        """What is seen of a network that is not there."""
        return cls(torch.empty(0, 0), {})

    def only(self, names: list[str]) -> View:
        """The same with some of the taps.

        Args:
            names: of the taps, in the order that is wanted.
        """
        return View(self.logits_NC, {name: self.taps[name] for name in names})

    def leaves(self) -> View:
        """The same values in float32 at least, cut off from the network, to take gradients at."""

        def leaf(tensor: Tensor) -> Tensor:
            return at_least_float32(tensor.detach()).requires_grad_()

        return View(leaf(self.logits_NC), {name: leaf(tap) for name, tap in self.taps.items()})

    def tensors(self) -> dict[str, Tensor]:
        """Logits and taps by name; that of the logits is empty."""
        return {"": self.logits_NC, **self.taps}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> View:
        """The view that has given tensors.

        Args:
            tensors: as of :meth:`tensors`.
        """
        return cls(tensors[""], {name: tap for name, tap in tensors.items() if name})


def pairs_of_taps(
    student: View, teacher: View, taps: TapChoice, *, term: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The taps that a term compares, the student's and, at the same places, the teacher's.

    Args:
        student: of the student.
        teacher: of the teacher, with as many taps; they pair in order.
        taps: names of the student's taps.
        term: who asks, for the error.
    """
    if taps == "all":
        return student.taps, teacher.taps
    partners = dict(zip(student.taps, teacher.taps, strict=True))
    for name in taps:
        if name not in partners:
            raise InputError(
                f"the `taps` of {term} ask for {name!r}, which is no tap of the student"
                f"{did_you_mean(name, partners)}"
            )
    chosen = [(name, partners[name]) for name in taps]
    return (
        {name: student.taps[name] for name, _ in chosen},
        {partner: teacher.taps[partner] for _, partner in chosen},
    )


def paired(student: View, teacher: View, pairing: Pairing) -> tuple[View, View]:
    """Both views with the taps that are compared, as many, at the same places.

    Args:
        student: of the student.
        teacher: of the teacher.
        pairing: how; see :class:`Distill`.

    Raises:
        InputError: as many are needed and are not there, or no name is in both.
    """
    ours, theirs = list(student.taps), list(teacher.taps)
    if pairing == "order" and len(ours) != len(theirs):
        raise InputError(
            f"student and teacher taps must pair in order, but the student has {len(ours)} "
            f"({', '.join(ours)}) and the teacher {len(theirs)} ({', '.join(theirs)}); name them "
            "with student_taps and teacher_taps, or pair them from the end (pair_taps 'end')"
        )
    if pairing == "end":
        count = min(len(ours), len(theirs))
        ours, theirs = ours[-count:], theirs[-count:]
    elif pairing == "name":
        ours = theirs = [name for name in ours if name in teacher.taps]
        if not ours:
            raise InputError(
                "no tap has one name in both networks: the student has "
                f"{', '.join(student.taps)}, the teacher {', '.join(teacher.taps)}; pair them in "
                "order or from the end"
            )
    return student.only(ours), teacher.only(theirs)
