"""Whole configurations by name, and the runs that they describe."""

from torchlgg.recipes._demo import DemoConfig, DemoProgress, run_demo
from torchlgg.recipes._execute import (
    create_run,
    execute,
    gpu_names,
    resume_command,
    run_recipe,
)
from torchlgg.recipes._find import recipe, recipe_names
from torchlgg.recipes._job import Job, prepare
from torchlgg.recipes._observer import Observer
from torchlgg.recipes._plain import from_plain, to_plain
from torchlgg.recipes._run_config import RunConfig
from torchlgg.recipes._settings import merged, with_settings
from torchlgg.recipes._tap_report import tap_report
from torchlgg.recipes._train_run import BEST, MODEL, STATE, best_epoch, follow

__all__ = [
    "BEST",
    "MODEL",
    "STATE",
    "DemoConfig",
    "DemoProgress",
    "Job",
    "Observer",
    "RunConfig",
    "best_epoch",
    "create_run",
    "execute",
    "follow",
    "from_plain",
    "gpu_names",
    "merged",
    "prepare",
    "recipe",
    "recipe_names",
    "resume_command",
    "run_demo",
    "run_recipe",
    "tap_report",
    "to_plain",
    "with_settings",
]
