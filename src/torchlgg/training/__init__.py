"""The training loop: tasks, their losses, the network and what is kept of a run."""

from torchlgg.training._clock import Clock
from torchlgg.training._config import TrainingConfig
from torchlgg.training._device import choose_device
from torchlgg.training._distill import Distill, LossName, parse_losses, parse_numbers, term_kinds
from torchlgg.training._diverged import DivergedError
from torchlgg.training._engine_config import EngineConfig
from torchlgg.training._epoch_report import EpochReport
from torchlgg.training._fingerprint import fingerprint
from torchlgg.training._fit import check_fit, fit
from torchlgg.training._label_terms import CE, GSL, SmoothnessVariation
from torchlgg.training._load_net import load_net
from torchlgg.training._logit_terms import DIST, DKD, HKD
from torchlgg.training._objective import Objective, StepTerms
from torchlgg.training._pairing import Pairing, TapNames
from torchlgg.training._predict import (
    device_of,
    first_images,
    in_eval_mode,
    over_batches,
    predict,
)
from torchlgg.training._ranks import Ranks, StoppedElsewhere, launched_ranks
from torchlgg.training._state import TrainingState
from torchlgg.training._tap_terms import AT, CC, GKD, PKT, RKD, SP, RKDAngle
from torchlgg.training._task import Task
from torchlgg.training._tasks import Classify, Embed, Robustify
from torchlgg.training._term import Term
from torchlgg.training._validate import label_smoothness, validation_error
from torchlgg.training._view import View, paired

__all__ = [
    "AT",
    "CC",
    "CE",
    "DIST",
    "DKD",
    "GKD",
    "GSL",
    "HKD",
    "PKT",
    "RKD",
    "SP",
    "Classify",
    "Clock",
    "Distill",
    "DivergedError",
    "Embed",
    "EngineConfig",
    "EpochReport",
    "LossName",
    "Objective",
    "Pairing",
    "RKDAngle",
    "Ranks",
    "Robustify",
    "SmoothnessVariation",
    "StepTerms",
    "StoppedElsewhere",
    "TapNames",
    "Task",
    "Term",
    "TrainingConfig",
    "TrainingState",
    "View",
    "check_fit",
    "choose_device",
    "device_of",
    "fingerprint",
    "first_images",
    "fit",
    "in_eval_mode",
    "label_smoothness",
    "launched_ranks",
    "load_net",
    "over_batches",
    "paired",
    "parse_losses",
    "parse_numbers",
    "predict",
    "term_kinds",
    "validation_error",
]
