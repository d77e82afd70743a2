"""How strongly each term of the objective pulls at the student's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_EVERY = 20  # steps from one measurement to the next: each costs a backward pass for every term
_MOMENTUM = 0.5  # over measurements: gradients shrink tenfold within a few epochs


class GradientNorms:
    """Running norms of the gradients of the terms, from a sample of the steps.

    All terms are measured together, so the running sums, sum_j 2^(j-m) n_j after measurements
    n_1 ... n_m, stand to each other as the running means do, from the first measurement on.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._sums: dict[str, float] = {}

    def tick(self) -> bool:
        """A step begins: is it one to measure in? The first is, then every twentieth."""
        self._steps += 1
        return (self._steps - 1) % _EVERY == 0

    def try_again(self) -> None:
        """There was nothing to measure in this step: the next one is one to measure in."""
        self._steps = 0

    def add(self, norms: Mapping[str, float]) -> None:
        """The norms of one step."""
        for name, norm in norms.items():
            self._sums[name] = _MOMENTUM * self._sums.get(name, 0.0) + norm

    def ratio(self, name: str, other: str) -> float:
        """The running norm of ``name`` over that of ``other``; 0 where ``other`` has none."""
        below = self._sums.get(other, 0.0)
        return self._sums[name] / below if below else 0.0

    def state_dict(self) -> dict[str, Any]:
        """All of it, in plain numbers."""
        return {"steps": self._steps, "sums": dict(self._sums)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._steps = state["steps"]
        self._sums = dict(state["sums"])
