"""The training loop: a student, its teacher, and the losses between them."""

from torchlgg.training._clock import Clock
from torchlgg.training._config import TrainingConfig
from torchlgg.training._distillation import (
    DistillationConfig,
    LossName,
    parse_losses,
    parse_numbers,
)
from torchlgg.training._epoch_report import EpochReport
from torchlgg.training._fit import DivergedError, check_fit, fit
from torchlgg.training._logit_terms import DIST, DKD, HKD
from torchlgg.training._objective import Objective, StepTerms
from torchlgg.training._predict import (
    device_of,
    in_eval_mode,
    over_batches,
    predict,
)
from torchlgg.training._saved import SavedNet, load_net
from torchlgg.training._state import TrainingState, fingerprint
from torchlgg.training._tap_terms import AT, CC, GKD, PKT, RKD, SP, RKDAngle
from torchlgg.training._term import Term
from torchlgg.training._view import View

__all__ = [
    "AT",
    "CC",
    "DIST",
    "DKD",
    "GKD",
    "HKD",
    "PKT",
    "RKD",
    "SP",
    "Clock",
    "DistillationConfig",
    "DivergedError",
    "EpochReport",
    "LossName",
    "Objective",
    "RKDAngle",
    "SavedNet",
    "StepTerms",
    "Term",
    "TrainingConfig",
    "TrainingState",
    "View",
    "check_fit",
    "device_of",
    "fingerprint",
    "fit",
    "in_eval_mode",
    "load_net",
    "over_batches",
    "parse_losses",
    "parse_numbers",
    "predict",
]
