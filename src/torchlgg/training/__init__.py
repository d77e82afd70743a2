"""The training loop: a student, its teacher, and the losses between them."""

from torchlgg.training._clock import Clock
from torchlgg.training._config import DistillationConfig, TrainingConfig, parse_losses
from torchlgg.training._fit import EpochReport, fit
from torchlgg.training._objective import Objective
from torchlgg.training._predict import device_of, predict
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
    "load_net",
    "parse_losses",
    "predict",
]
