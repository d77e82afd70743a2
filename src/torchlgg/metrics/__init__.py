"""Numbers that judge: errors, agreement, graph distance, intervals; tensors in, floats out."""

from torchlgg.metrics._graph_distance import graph_distance
from torchlgg.metrics._intervals import (
    Estimate,
    PairedDifference,
    mean_interval,
    paired_difference,
    proportion_interval,
)
from torchlgg.metrics._linear_cka import linear_cka
from torchlgg.metrics._neighbors import nearest_neighbors
from torchlgg.metrics._predictions import Agreement, agreement, error_rate
from torchlgg.metrics._sign_flips import sign_flip_p_value

__all__ = [
    "Agreement",
    "Estimate",
    "PairedDifference",
    "agreement",
    "error_rate",
    "graph_distance",
    "linear_cka",
    "mean_interval",
    "nearest_neighbors",
    "paired_difference",
    "proportion_interval",
    "sign_flip_p_value",
]
