"""What one step minimises: the losses of a task, and how to take their gradient.

Shapes: N examples, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from torchlgg.core import InputError
from torchlgg.training._clock import Clock
from torchlgg.training._gradient_norms import GradientNorms
from torchlgg.training._passes import Passes
from torchlgg.training._predict import in_eval_mode
from torchlgg.training._student_pass import StudentPass
from torchlgg.training._task import Task
from torchlgg.training._tasks import Classify
from torchlgg.training._term import Term
from torchlgg.training._view import View, paired


@dataclass(frozen=True)
class StepTerms:
    """The terms of one step.

    Args:
        values: the weighted value of each term, detached scalars.
        shares: the norm of each term's weighted gradient at the student's parameters, divided by
            the sum of these norms; ``None`` in the steps in which it was not measured.

    Example:
        >>> import torch
        >>> from torchlgg.training import StepTerms
        >>> StepTerms({"ce": torch.tensor(2.5)}).shares is None
        True
    """

    values: Mapping[str, Tensor]
    shares: Mapping[str, float] | None = None


class Objective:
    r"""The sum of weighted terms that a step goes down, and how to take the gradient of it.

    Each term is differentiated down to the logits and taps it reads, then one backward pass
    carries their sum through the network. The gradient is that of the sum; and the time of a term
    is known with its backward half, which a single pass would hide.

    In the first step and every twentieth after it, the gradient of each term is also carried to
    the student's parameters alone: its norm, with the term's weight, over the sum of these norms
    is the term's *share*. A term with a ``gradient_ratio`` ρ has, instead of a fixed weight,

    .. math:: w = ρ \frac{\bar g_0}{\bar g}

    with :math:`\bar g` the running mean (momentum ½ over the measurements) of the norm of the
    gradient of the bare loss, and :math:`\bar g_0` that of the first term, the loss of the labels.
    No gradient flows through w; it is 0 while the loss has no gradient.

    Args:
        student: the network to train.
        teacher: the network to learn from, put into eval mode, where the task needs one.
        task: the losses.

    Raises:
        InputError: losses that need a teacher, and none.

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
        task: Task = Classify(),  # noqa: B008  (frozen)
    ) -> None:
        if task.needs_teacher and teacher is None:
            raise InputError(f"the losses {'+'.join(task.names)} need a teacher")
        self.student = student
        self.teacher = teacher.eval() if teacher is not None and task.needs_teacher else None
        self.task = task
        self._norms = GradientNorms()

    @property
    def smallest_batch(self) -> int:
        """The fewest examples a batch may hold: two, or one more than the neighbours of a graph."""
        return max(term.smallest_batch for term in self.task.terms)

    @property
    def names(self) -> tuple[str, ...]:
        """The terms, that of the labels first."""
        return tuple(term.name for term in self.task.terms)

    def rehearse(self, images: Tensor, labels_N: Tensor) -> dict[str, float]:
        """The terms of one batch in eval mode, without a gradient: does everything fit?

        Args:
            images: (N, C, H, W), normalised, at least :attr:`smallest_batch` of them.
            labels_N: (N,).

        Returns:
            The value of each term; weighted, but for those with a ``gradient_ratio``.

        Raises:
            InputError: an unknown tap, taps that do not pair or do not suit a loss, or NaN or
                infinity in one.
        """
        with torch.no_grad():
            student, teacher = self.views(images)
            values = {}
            for term in self.task.terms:
                weight = term.weight if term.gradient_ratio is None else 1.0
                values[term.name] = weight * float(term.loss(student, teacher, labels_N))
            return values

    def views(self, images: Tensor) -> tuple[View, View]:
        """What the losses would see of a batch, of the student and of the teacher, in eval mode.

        Args:
            images: (N, C, H, W), normalised.

        Returns:
            Both views, with the taps that are compared; the second is empty without a teacher.
        """
        clock, passes = Clock(images.device), self._passes()
        with torch.no_grad(), in_eval_mode(self.student):
            teacher = passes.teacher(images, None, clock)
            return self._paired(passes.student(images, len(images), clock).view, teacher)

    def backward(
        self,
        images: Tensor,
        labels_N: Tensor,
        clock: Clock,
        *,
        passes: Passes | None = None,
        index_N: Tensor | None = None,
    ) -> StepTerms:
        """Add the gradient of one batch to the student's parameters.

        Args:
            images: (N, C, H, W), normalised; with several ranks, the rows of this one.
            labels_N: (N,), of all ranks.
            clock: told the time of each part.
            passes: how the networks are run; ``None`` is plainly. Its scaler multiplies the
                gradient.
            index_N: the positions of the batch among the training images, for a teacher whose
                outputs are kept.

        Returns:
            The weighted value of each term, and now and then its share of the gradient.

        Raises:
            InputError: NaN or infinity in a tap (by name), or taps that do not pair.
        """
        passes = passes or self._passes()
        given = passes.teacher(images, index_N, clock)
        forward = passes.student(images, len(labels_N), clock)
        student, teacher = self._paired(forward.view, given)
        leaves = student.leaves()
        losses: dict[str, Tensor] = {}
        pulls: dict[str, dict[str, Tensor]] = {}  # by term, then by name in student.tensors()
        for term in self.task.terms:
            with clock(term.name):
                losses[term.name] = term.loss(leaves, teacher, labels_N)
                pulls[term.name] = _gradients(losses[term.name], leaves)
        norms = None
        with clock("student backward"):
            if len(self.task.terms) > 1 and self._norms.tick():
                norms = self._measured(forward, pulls)
            weights = {term.name: self._weight(term) for term in self.task.terms}
            total: dict[str, Tensor] = {}
            for name, pull in pulls.items():
                for place, gradient in pull.items():
                    weighted = gradient * weights[name]
                    total[place] = total[place] + weighted if place in total else weighted
            forward.backward(total, scale=passes.scaler.scale)
        values = {name: weights[name] * loss.detach() for name, loss in losses.items()}
        return StepTerms(values, None if norms is None else _shares(norms, weights))

    def state_dict(self) -> dict[str, Any]:
        """What the next steps depend on, beside the student: the running norms of gradients."""
        return self._norms.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on as the objective that ``state`` was taken of."""
        self._norms.load_state_dict(state)

    def _weight(self, term: Term) -> float:
        if term.gradient_ratio is None:
            return term.weight
        return term.gradient_ratio * self._norms.ratio(self.names[0], term.name)

    def _measured(
        self, forward: StudentPass, pulls: Mapping[str, Mapping[str, Tensor]]
    ) -> dict[str, float] | None:
        """The norm of each term's gradient; ``None`` where half precision does not hold one."""
        norms = forward.norms(pulls)
        if not all(map(math.isfinite, norms.values())):
            self._norms.try_again()
            return None
        self._norms.add(norms)
        return norms

    def _passes(self) -> Passes:
        return Passes(self.student, self.teacher, self.task)

    def _paired(self, student: View, teacher: View) -> tuple[View, View]:
        if self.teacher is None:
            return student, teacher
        return paired(student, teacher, self.task.pairing)


def _gradients(loss: Tensor, leaves: View) -> dict[str, Tensor]:
    """The gradient of a loss at each leaf that it reads, by name."""
    tensors = leaves.tensors()
    found = torch.autograd.grad(loss, tuple(tensors.values()), allow_unused=True)
    return {
        name: gradient
        for name, gradient in zip(tensors, found, strict=True)
        if gradient is not None
    }


def _shares(norms: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    sizes = {name: weights[name] * norm for name, norm in norms.items()}
    total = sum(sizes.values())
    return {name: size / total if total else 0.0 for name, size in sizes.items()}
