"""The outputs of any network's modules: captured during a forward pass, or listed by a dry run."""

from torchlgg.activations._capture import capture
from torchlgg.activations._dry_run import DryRun, TapInfo, dry_run
from torchlgg.activations._outputs import Pool
from torchlgg.activations._select import Layers
from torchlgg.activations._tapped import Tapped
from torchlgg.activations._taps import MissingTapError, Taps

__all__ = [
    "DryRun",
    "Layers",
    "MissingTapError",
    "Pool",
    "TapInfo",
    "Tapped",
    "Taps",
    "capture",
    "dry_run",
]
