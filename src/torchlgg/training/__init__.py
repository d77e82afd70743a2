"""The training loop: a student, its teacher, and the losses between them."""

from torchlgg.training._config import DistillationConfig, TrainingConfig, parse_losses
from torchlgg.training._fit import EpochReport, fit
from torchlgg.training._objective import Objective
from torchlgg.training._predict import device_of, predict

__all__ = [
    "DistillationConfig",
    "EpochReport",
    "Objective",
    "TrainingConfig",
    "device_of",
    "fit",
    "parse_losses",
    "predict",
]
