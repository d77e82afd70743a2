"""Latent geometry graphs: the geometry of a network's latent spaces, to see, compare, train on.

The batch's representations at a layer become a similarity graph. Constraining such graphs distils
a teacher into a student, shapes embeddings for classification, and makes a network robust
(C. Lassance, V. Gripon, A. Ortega, *Representing Deep Neural Networks Latent Space Geometries with
Graphs*, Algorithms 14(2):39, 2021).
"""

from typing import TYPE_CHECKING

from torchlgg.core import lazy_names

if TYPE_CHECKING:
    from torchlgg.activations import capture
    from torchlgg.graphs import GraphSpec, latent_geometry_graph
    from torchlgg.losses import (
        graph_distillation_loss,
        graph_smoothness_loss,
        relational_angle_loss,
        relational_distance_loss,
        similarity_preserving_loss,
        smoothness_variation_loss,
        soft_target_loss,
    )
    from torchlgg.signals import label_indicators, laplacian, smoothness

__version__ = "0.1.0"

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "GraphSpec": "graphs",
        "capture": "activations",
        "graph_distillation_loss": "losses",
        "graph_smoothness_loss": "losses",
        "label_indicators": "signals",
        "laplacian": "signals",
        "latent_geometry_graph": "graphs",
        "relational_angle_loss": "losses",
        "relational_distance_loss": "losses",
        "similarity_preserving_loss": "losses",
        "smoothness": "signals",
        "smoothness_variation_loss": "losses",
        "soft_target_loss": "losses",
    },
)

__all__ = [
    "GraphSpec",
    "capture",
    "graph_distillation_loss",
    "graph_smoothness_loss",
    "label_indicators",
    "laplacian",
    "latent_geometry_graph",
    "relational_angle_loss",
    "relational_distance_loss",
    "similarity_preserving_loss",
    "smoothness",
    "smoothness_variation_loss",
    "soft_target_loss",
]
