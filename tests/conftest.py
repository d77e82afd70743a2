"""Settings of every test run: one thread a process, the same hypothesis examples each time."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, settings

# The suite runs one process per core, and its tensors are tiny: more threads only get in the way.
torch.set_num_threads(1)

settings.register_profile(
    "torchlgg",
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("torchlgg")
