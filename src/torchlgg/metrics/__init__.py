"""Numbers that judge: errors, agreement, graph distance, intervals; tensors in, floats out."""

from torchlgg.metrics._graph_distance import graph_distance
from torchlgg.metrics._intervals import (
    Estimate,
    PairedDifference,
    mean_interval,
    paired_difference,
    proportion_interval,
)
from torchlgg.metrics._predictions import Agreement, agreement, error_rate

__all__ = [
    "Agreement",
    "Estimate",
    "PairedDifference",
    "agreement",
    "error_rate",
    "graph_distance",
    "mean_interval",
    "paired_difference",
    "proportion_interval",
]
