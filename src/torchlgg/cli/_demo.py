"""``lgg demo``: the demonstration with a bar, a table and a figure."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import torch

from torchlgg.cli._screen import command_line, console, progress_bar, recorded
from torchlgg.core import write_text_atomically
from torchlgg.recipes import DemoConfig, DemoProgress, run_demo
from torchlgg.records import RunFolder
from torchlgg.reports import (
    comparison_figure,
    distillation_report,
    render_markdown,
    render_rich,
)


def run_demo_command(*, out: Path, overwrite: bool, seeds: int, epochs: int) -> None:
    """Run the demonstration, then draw its table and figure from the records alone."""
    config = DemoConfig(seeds=tuple(range(seeds)))
    config = replace(config, schedule=replace(config.schedule, epochs=epochs))
    run = RunFolder.create(
        out,
        command=command_line(),
        config=asdict(config),
        seeds=config.seeds,
        overwrite=overwrite,
    )
    torch.set_num_threads(1)  # networks this small only lose time when they share their steps
    with recorded(run):
        with progress_bar("epochs") as progress:

            def on_epoch(now: DemoProgress) -> None:
                done = (now.network - 1) * now.epochs + now.report.epoch
                progress(done, now.networks * now.epochs)
                if now.report.epoch == now.epochs:
                    error = now.report.validation_error or 0.0
                    console.print(f"{now.subject}: validation error {100 * error:.2f} %")

            run_demo(run, config, on_epoch=on_epoch)
        _draw(run)


def _draw(run: RunFolder) -> None:
    table, panels = distillation_report(run.results())
    write_text_atomically(run.path("table.md"), render_markdown(table))
    for ending in ("svg", "png"):
        comparison_figure(panels, run.path(f"comparison.{ending}"))
    console.print(render_rich(table))
    console.print(f"records, weights, table and figure: {run.folder}")
