"""Losses on latent geometry: the three of the graph papers and the relational baselines."""

from torchlgg.losses._attention_transfer import AttentionTransferLoss, attention_transfer_loss
from torchlgg.losses._correlation_congruence import (
    CorrelationCongruenceLoss,
    correlation_congruence_loss,
)
from torchlgg.losses._decoupled_soft_target import (
    DecoupledSoftTargetLoss,
    decoupled_soft_target_loss,
)
from torchlgg.losses._dist import DistLoss, dist_loss
from torchlgg.losses._graph_distillation import GraphDistillationLoss, graph_distillation_loss
from torchlgg.losses._graph_smoothness import GraphSmoothnessLoss, graph_smoothness_loss
from torchlgg.losses._probabilistic_knowledge_transfer import (
    ProbabilisticKnowledgeTransferLoss,
    probabilistic_knowledge_transfer_loss,
)
from torchlgg.losses._relational_angle import RelationalAngleLoss, relational_angle_loss
from torchlgg.losses._relational_distance import RelationalDistanceLoss, relational_distance_loss
from torchlgg.losses._similarity_preserving import (
    SimilarityPreservingLoss,
    similarity_preserving_loss,
)
from torchlgg.losses._smoothness_variation import (
    SmoothnessVariationLoss,
    smoothness_variation_loss,
)
from torchlgg.losses._soft_target import SoftTargetLoss, soft_target_loss

__all__ = [
    "AttentionTransferLoss",
    "CorrelationCongruenceLoss",
    "DecoupledSoftTargetLoss",
    "DistLoss",
    "GraphDistillationLoss",
    "GraphSmoothnessLoss",
    "ProbabilisticKnowledgeTransferLoss",
    "RelationalAngleLoss",
    "RelationalDistanceLoss",
    "SimilarityPreservingLoss",
    "SmoothnessVariationLoss",
    "SoftTargetLoss",
    "attention_transfer_loss",
    "correlation_congruence_loss",
    "decoupled_soft_target_loss",
    "dist_loss",
    "graph_distillation_loss",
    "graph_smoothness_loss",
    "probabilistic_knowledge_transfer_loss",
    "relational_angle_loss",
    "relational_distance_loss",
    "similarity_preserving_loss",
    "smoothness_variation_loss",
    "soft_target_loss",
]
