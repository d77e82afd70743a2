"""What needs a process of its own, because a peak of memory is the process's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from benchmarks._forms import chunked_distance
from benchmarks._measure import chosen_clock
from torchlgg import graph_distillation_loss


def features(count: int, width: int, seed: int) -> torch.Tensor:
    """Like those after a ReLU: non-negative, with cosines of about 0.9."""
    x = torch.rand(count, width, generator=torch.Generator().manual_seed(seed))
    return x.add_(0.5)


def gkd(count: int, width: int, check: bool) -> dict[str, float]:
    """Seconds and peak megabytes of one loss, forward and backward; errors on request."""
    small = features(512, 64, 2).requires_grad_()
    graph_distillation_loss(small, features(512, 64, 3)).backward()
    student, teacher = features(count, width, 0).requires_grad_(), features(count, width, 1)
    reset_peak()
    before = memory("VmRSS")
    clock = chosen_clock()
    start = clock()
    value = graph_distillation_loss(student, teacher)
    value.backward()
    found = {
        "seconds": clock() - start,
        "peak above the inputs (MB)": (memory("VmHWM") - before) / 1e6,
    }
    if check:
        truth, slope = chunked_distance(student.detach(), teacher)
        found["value error"] = abs(float(value.detach()) - truth) / truth
        found["gradient error"] = float((student.grad - slope).norm() / slope.norm())
    return found


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def memory(field: str) -> float:
    """A line of the process's status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * float(line.split()[1])
    raise OSError(f"this system does not say {field}")


if __name__ == "__main__":
    print(json.dumps({"gkd": gkd}[sys.argv[1]](**json.loads(sys.argv[2]))))
