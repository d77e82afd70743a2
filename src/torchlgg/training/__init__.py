"""The training loop: a student, its teacher, and the losses between them."""

from torchlgg.training._clock import Clock
from torchlgg.training._config import DistillationConfig, TrainingConfig, parse_losses
from torchlgg.training._fit import EpochReport, fit
from torchlgg.training._objective import Objective
from torchlgg.training._predict import (
    device_of,
    in_eval_mode,
    over_batches,
    predict,
)
from torchlgg.training._saved import SavedNet, load_net

__all__ = [
    "Clock",
    "DistillationConfig",
    "EpochReport",
    "Objective",
    "SavedNet",
    "TrainingConfig",
    "device_of",
    "fit",
    "in_eval_mode",
    "load_net",
    "over_batches",
    "parse_losses",
    "predict",
]
