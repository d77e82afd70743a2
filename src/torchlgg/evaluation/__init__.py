"""Numbers from trained networks, as records."""

from torchlgg.evaluation._embeddings import embed, evaluate_embeddings
from torchlgg.evaluation._evaluate import evaluate
from torchlgg.evaluation._summarize import compare, summarize

__all__ = ["compare", "embed", "evaluate", "evaluate_embeddings", "summarize"]
