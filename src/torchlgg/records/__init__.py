"""What a run leaves behind: one folder, typed results, files that are whole or absent; no torch."""

from torchlgg.records._environment import (
    Environment,
    differences,
    environment,
    source_commit,
)
from torchlgg.records._find import find_runs
from torchlgg.records._journal import Journal
from torchlgg.records._result import DataDescription, Interval, Measurement, Result
from torchlgg.records._run_folder import RunFolder
from torchlgg.records._run_info import Ending, Resumption, RunInfo
from torchlgg.records._tensorboard import write_tensorboard

__all__ = [
    "DataDescription",
    "Ending",
    "Environment",
    "Interval",
    "Journal",
    "Measurement",
    "Result",
    "Resumption",
    "RunFolder",
    "RunInfo",
    "differences",
    "environment",
    "find_runs",
    "source_commit",
    "write_tensorboard",
]
