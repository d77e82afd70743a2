"""Records that are right, to be changed by one field at a time."""

from __future__ import annotations

from torchlgg.records import DataDescription, Interval, Measurement, Result


def interval(**changes):
    fields = {"low": 6.26, "high": 7.24, "confidence": 0.95, "method": "Wilson"}
    return Interval(**(fields | changes))


def measurement(**changes):
    fields = {
        "name": "error",
        "value": 6.73,
        "unit": "%",
        "count": 10000,
        "interval": interval(),
        "protocol": "All test images, after the last epoch.",
    }
    return Measurement(**(fields | changes))


def result(**changes):
    fields = {
        "task": "evaluate",
        "subject": "teacher",
        "data": DataDescription(source="cifar10", sha256="0a" * 32, counts={"test": 10000}),
        "measurements": (measurement(), measurement(name="loss", unit="", interval=None)),
        "tags": {"method": "none", "seed": "3"},
    }
    return Result(**(fields | changes))
