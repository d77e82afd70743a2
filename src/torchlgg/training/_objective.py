"""What one step minimises: the labels' cross-entropy, and what the teacher adds to it.

Shapes: N examples, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torchlgg.activations import capture
from torchlgg.core import InputError
from torchlgg.losses import (
    graph_distillation_loss,
    relational_distance_loss,
    soft_target_loss,
)
from torchlgg.training._clock import Clock
from torchlgg.training._config import DistillationConfig


@dataclass(frozen=True)
class View:
    """What the losses see of a network: its logits and its taps, by name, in order."""

    logits_NC: Tensor
    taps: dict[str, Tensor]

    def leaves(self) -> View:
        """The same values, cut off from the network, to collect gradients at."""
        return View(
            self.logits_NC.detach().requires_grad_(),
            {name: tap.detach().requires_grad_() for name, tap in self.taps.items()},
        )

    def tensors(self) -> tuple[Tensor, ...]:
        """Logits and taps in one row."""
        return (self.logits_NC, *self.taps.values())


Term = Callable[[View, View | None, Tensor], Tensor]


class Objective:
    """The sum of weighted terms that a step goes down, and how to take the gradient of it.

    Each term is differentiated down to the logits and taps it reads, then one backward pass
    carries their sum through the network. The gradient is that of the sum; and the time of a term
    is known with its backward half, which a single pass would hide.

    Args:
        student: the network to train.
        teacher: the network to learn from, put into eval mode; ``None`` is plain classification.
        config: the losses between the two.

    Raises:
        InputError: taps of student and teacher that do not pair.

    Example:
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import Objective
        >>> Objective(build_net("small_cnn", num_classes=10, in_channels=1)).names
        ('ce',)
    """

    def __init__(
        self,
        student: nn.Module,
        *,
        teacher: nn.Module | None = None,
        config: DistillationConfig = DistillationConfig(losses=()),  # noqa: B008  (frozen)
    ) -> None:
        if config.losses and teacher is None:
            raise InputError(f"the losses {'+'.join(config.losses)} need a teacher")
        self.student = student
        self.teacher = teacher.eval() if teacher is not None and config.losses else None
        self.config = config
        self._terms = _terms(config)
        self._reads_taps = any(name in ("rkd", "gkd") for name in config.losses)

    @property
    def smallest_batch(self) -> int:
        """The fewest examples a batch may hold: two, or one more than the neighbours of a graph."""
        k = self.config.spec.k if "gkd" in self.config.losses else None
        return 2 if k is None else k + 1

    def rehearse(self, images: Tensor, labels_N: Tensor) -> dict[str, float]:
        """The terms of one batch in eval mode, without a gradient: does everything fit?

        Args:
            images: (N, C, H, W), normalised, at least :attr:`smallest_batch` of them.
            labels_N: (N,).

        Returns:
            The weighted value of each term.

        Raises:
            InputError: an unknown tap, taps that do not pair, or NaN or infinity in one.
        """
        mode = self.student.training
        self.student.eval()
        try:
            with torch.no_grad():
                student, teacher = self._views(images, Clock(images.device))
                terms = self._terms.items()
                return {name: float(term(student, teacher, labels_N)) for name, term in terms}
        finally:
            self.student.train(mode)

    @property
    def names(self) -> tuple[str, ...]:
        """The terms, the cross-entropy ``"ce"`` first."""
        return tuple(self._terms)

    def backward(self, images: Tensor, labels_N: Tensor, clock: Clock) -> dict[str, Tensor]:
        """Add the gradient of one batch to the student's parameters.

        Args:
            images: (N, C, H, W), normalised.
            labels_N: (N,).
            clock: told the time of each part.

        Returns:
            The weighted value of each term, detached scalars.

        Raises:
            InputError: NaN or infinity in a tap (by name), or taps that do not pair.
        """
        student, teacher = self._views(images, clock)
        leaves = student.leaves()
        values = {}
        for name, term in self._terms.items():
            with clock(name):
                value = term(leaves, teacher, labels_N)
                value.backward()  # type: ignore[no-untyped-call]
                values[name] = value.detach()
        with clock("student backward"):
            reached = [
                (tensor, leaf.grad)
                for tensor, leaf in zip(student.tensors(), leaves.tensors(), strict=True)
                if leaf.grad is not None
            ]
            tensors, gradients = zip(*reached, strict=True)
            torch.autograd.backward(tensors, gradients)
        return values

    def _views(self, images: Tensor, clock: Clock) -> tuple[View, View | None]:
        teacher = None
        if self.teacher is not None:
            with clock("teacher"), torch.no_grad():
                teacher = self._view(self.teacher, self.config.teacher_taps, images)
        with clock("student forward"):
            student = self._view(self.student, self.config.student_taps, images)
        if teacher is not None and len(teacher.taps) != len(student.taps):
            raise InputError(
                "student and teacher taps must pair in order, but the student has "
                f"{len(student.taps)} ({', '.join(student.taps)}) and the teacher "
                f"{len(teacher.taps)} ({', '.join(teacher.taps)}); name them with student_taps "
                "and teacher_taps"
            )
        return student, teacher

    def _view(self, net: nn.Module, taps: tuple[str, ...] | str, images: Tensor) -> View:
        if not self._reads_taps:
            return View(net(images), {})
        with capture(net, taps) as captured:
            logits_NC = net(images)
        return View(logits_NC, dict(captured))


def _terms(config: DistillationConfig) -> dict[str, Term]:
    def ce(student: View, teacher: View | None, labels_N: Tensor) -> Tensor:
        return nn.functional.cross_entropy(student.logits_NC, labels_N)

    def hkd(student: View, teacher: View | None, labels_N: Tensor) -> Tensor:
        assert teacher is not None
        return config.hkd_weight * soft_target_loss(
            student.logits_NC, teacher.logits_NC, temperature=config.temperature
        )

    def rkd(student: View, teacher: View | None, labels_N: Tensor) -> Tensor:
        assert teacher is not None
        return config.rkd_weight * relational_distance_loss(student.taps, teacher.taps)

    def gkd(student: View, teacher: View | None, labels_N: Tensor) -> Tensor:
        assert teacher is not None
        return config.gkd_weight * graph_distillation_loss(
            student.taps,
            teacher.taps,
            spec=config.spec,
            power=config.power,
            mask_from=config.mask_from,
        )

    known: dict[str, Term] = {"hkd": hkd, "rkd": rkd, "gkd": gkd}
    return {"ce": ce} | {name: known[name] for name in config.losses}
