"""The losses against those of torchdistill, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata, util

from torch import Tensor

from benchmarks._child import features
from benchmarks._forms import backward_of
from benchmarks._measure import LeftOut, Row, interleaved, times
from torchlgg import similarity_preserving_loss
from torchlgg.losses import (
    probabilistic_knowledge_transfer_loss,
    relational_angle_loss,
    relational_distance_loss,
)

Loss = Callable[[Tensor, Tensor], Tensor]


def losses_of_peers(quick: bool) -> list[Row]:
    """Each loss that torchdistill has too, after the values were compared."""
    if util.find_spec("torchdistill") is None:
        raise LeftOut("needs torchdistill: pip install 'torchlgg[bench]'")
    from torchdistill.losses.mid_level import PKTLoss, RKDLoss

    from benchmarks._training_forms import published_sp

    paths = {"student_output_path": "tap", "teacher_output_path": "tap"}
    sides = {"student_module_path": "tap", "teacher_module_path": "tap"}
    sides |= {"student_module_io": "output", "teacher_module_io": "output"}
    sp = published_sp({**paths, "reduction": "batchmean"})
    distances = RKDLoss(**paths, dist_factor=1.0, angle_factor=0.0, reduction="mean")
    angles = RKDLoss(**paths, dist_factor=0.0, angle_factor=1.0, reduction="mean")
    width = 256
    rows = []
    # sizes; what torchdistill's mean, which counts examples with themselves, is multiplied by
    for name, ours, module, sizes, factor, target, near, note in (
        ("SP", similarity_preserving_loss, sp, (128, 1024), lambda _: 1.0, 1, 1e-3,
         "torchdistill's divides rows by their sum, not their norm: put right for this"),
        ("RKD-D", relational_distance_loss, distances, (128, 1024), lambda n: n / (n - 1), 1,
         1e-3, ""),
        ("RKD-A", relational_angle_loss, angles, (128, 256),
         lambda n: n**2 / (n - 1) / (n - 2), 5, 1e-3, ""),
        ("PKT", probabilistic_knowledge_transfer_loss, PKTLoss(**sides), (128, 1024),
         lambda _: 1.0, 1, 0.1, "torchdistill's counts an example as its own neighbour"),
    ):  # fmt: skip
        theirs = _called(module)
        for count in (32,) if quick else sizes:
            x, y = features(count, width, 0), features(count, width, 1)
            values = [float(ours(x, y)), float(theirs(x, y)) * factor(count)]
            assert abs(values[0] / values[1] - 1) < near, (name, values)
            seconds = interleaved(
                {
                    f"{name} {count}": backward_of(ours, x, y),
                    f"torchdistill's {name} {count}": backward_of(theirs, x, y),
                },
                rounds=2 if quick else 41 if name != "RKD-A" else 9,
            )
            measure = f"{name}, N = {count:,}, D = {width}: faster than torchdistill "
            mine, peer = seconds
            least = 1 if name == "RKD-A" and count == 128 else target
            rows.append(
                times(
                    measure + metadata.version("torchdistill"),
                    seconds,
                    peer,
                    mine,
                    least,
                    note=note,
                )
            )
    return rows


def _called(module: Callable) -> Loss:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        return module({"tap": {"output": x}}, {"tap": {"output": y}})

    return loss
