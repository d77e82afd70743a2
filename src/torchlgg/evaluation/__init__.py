"""Numbers from trained networks, as records."""

from torchlgg.evaluation._evaluate import evaluate

__all__ = ["evaluate"]
