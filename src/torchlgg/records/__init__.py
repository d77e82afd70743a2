"""What a run leaves behind: one folder, typed results, files that are whole or absent; no torch."""

from torchlgg.records._environment import (
    Environment,
    differences,
    environment,
    source_commit,
)
from torchlgg.records._result import DataDescription, Interval, Measurement, Result
from torchlgg.records._run_folder import RunFolder
from torchlgg.records._run_info import Ending, Resumption, RunInfo

__all__ = [
    "DataDescription",
    "Ending",
    "Environment",
    "Interval",
    "Measurement",
    "Result",
    "Resumption",
    "RunFolder",
    "RunInfo",
    "differences",
    "environment",
    "source_commit",
]
