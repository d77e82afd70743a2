"""Which layers of two networks meet, with their shapes, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from torchlgg.activations import DryRun, dry_run
from torchlgg.recipes._job import Job
from torchlgg.training import device_of, first_images, in_eval_mode

Row = tuple[str, ...]


def tap_report(job: Job) -> str:
    r"""The taps that a run compares, pair by pair, and all that each network has.

    Args:
        job: a run that has not begun.

    Returns:
        Text of several lines. An asterisk marks what ``"auto"`` takes.

    Example:
        >>> from torchlgg.data import DataConfig
        >>> from torchlgg.nets import NetConfig
        >>> from torchlgg.recipes import RunConfig, prepare, tap_report
        >>> config = RunConfig(data=DataConfig(source="digits"), net=NetConfig(name="small_cnn-4"))
        >>> print(tap_report(prepare(config)).partition("\n")[0])
        no loss of this run reads layers
    """
    objective, task = job.objective, job.objective.task
    inputs, _ = first_images(job.train, 1, device_of(objective.student))
    nets = {"student" if task.kind == "distill" else "network": objective.student}
    if objective.teacher is not None:
        nets["teacher"] = objective.teacher
    if not task.reads_taps:
        lines = ["no loss of this run reads layers"]
    else:
        views = objective.views(inputs)
        rows: list[Row] = [tuple(word for name in nets for word in (name, "shape"))]
        columns = [
            [(name, _shape(tuple(tap.shape))) for name, tap in view.taps.items()]
            for view in views[: len(nets)]
        ]
        rows += [
            tuple(word for pair in pairs for word in pair) for pairs in zip(*columns, strict=True)
        ]
        lines = ["layers that are compared:", *_aligned(rows)]
    for name, net in nets.items():
        with in_eval_mode(net):
            lines += ["", f"all layers of the {name} (* auto):", *_listed(dry_run(net, inputs))]
    return "\n".join(lines)


def _listed(found: DryRun) -> list[str]:
    return _aligned(
        [
            (tap.name, tap.module_type, _shape(tap.shape or ()), "*" if tap.auto else "")
            for tap in found
        ]
    )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[1:])) or "-"


def _aligned(rows: Sequence[Row]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
