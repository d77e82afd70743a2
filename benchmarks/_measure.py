"""Times and memory, under the contract of the README."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the page."""

    measure: str
    ours: str  # the median, with its unit
    spread: str  # lower and upper quartile over rounds
    target: str  # of the issue; empty where it names none
    met: bool | None
    details: dict[str, float]
    note: str = ""


class LeftOut(Exception):  # noqa: N818
    """A case that cannot be measured here, and why."""


def chosen_clock() -> Callable[[], float]:
    """Wall time, or the processor time of this process where the machine is busy with others."""
    return time.process_time if os.environ.get("BENCHMARK_CLOCK") == "cpu" else time.perf_counter


def interleaved(
    forms: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    warm_up: bool = True,
) -> dict[str, list[float]]:
    """Seconds of every form in every round; each round runs each form once, in turn."""
    clock = chosen_clock()
    if warm_up:
        for form in forms.values():
            form()
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, form in forms.items():
            start = clock()
            form()
            seconds[name].append(clock() - start)
    return seconds


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, middle, upper


def ratios(over: list[float], under: list[float]) -> tuple[float, float, float]:
    """Quartiles of the ratio within each round."""
    return quartiles([a / b for a, b in zip(over, under, strict=True)])


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Milliseconds by form, for the record."""
    return {f"{name} (ms)": round(1e3 * quartiles(s)[1], 3) for name, s in seconds.items()}


def times(measure: str, forms: dict, over: str, under: str, target: float, **more) -> Row:
    """How many times faster ``under`` is than ``over``; the target is a least."""
    low, middle, high = ratios(forms[over], forms[under])
    return Row(
        measure,
        f"{middle:.2f}×",
        f"{low:.2f}–{high:.2f}",
        f"≥ {target:g}×",
        round(middle, 2) >= target,
        medians(forms),
        **more,
    )


def at_most(measure: str, forms: dict, over: str, under: str, target: float | None, **more) -> Row:
    """The time of ``over`` in units of ``under``; the target is a most."""
    low, middle, high = ratios(forms[over], forms[under])
    return Row(
        measure,
        f"{middle:.2f}×",
        f"{low:.2f}–{high:.2f}",
        "" if target is None else f"≤ {target:g}×",
        None if target is None else middle <= target,
        medians(forms),
        **more,
    )


def in_child(case: str, **arguments: Any) -> dict[str, float]:
    """What ``benchmarks._child`` finds out in a process of its own."""
    command = [sys.executable, "-m", "benchmarks._child", case, json.dumps(arguments)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
