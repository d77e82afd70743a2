"""A share of test images as a measurement."""

from __future__ import annotations

from torchlgg.metrics import Estimate
from torchlgg.records import Interval, Measurement


def share(name: str, found: Estimate, *, protocol: str) -> Measurement:
    """A fraction with its interval, in percent.

    Args:
        name: what was measured.
        found: the fraction.
        protocol: one sentence on how.
    """
    assert found.low is not None
    assert found.high is not None
    return Measurement(
        name=name,
        value=100 * found.value,
        unit="%",
        count=found.count,
        interval=Interval(
            low=100 * found.low,
            high=100 * found.high,
            confidence=found.confidence,
            method=found.method,
        ),
        protocol=protocol,
    )
