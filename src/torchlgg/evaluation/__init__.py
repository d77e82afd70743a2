"""Numbers from trained networks, as records."""

from torchlgg.evaluation._embeddings import embed, evaluate_embeddings, nearest_neighbors
from torchlgg.evaluation._evaluate import evaluate

__all__ = ["embed", "evaluate", "evaluate_embeddings", "nearest_neighbors"]
