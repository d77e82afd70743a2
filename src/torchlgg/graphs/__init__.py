"""Latent geometry graphs: similarity, nearest neighbours, symmetry, normalisation."""

from torchlgg.graphs._class_edges import check_class_labels, class_edges
from torchlgg.graphs._complete_graph import cosine_features
from torchlgg.graphs._distances import pairwise_distances, rounding_of_differences
from torchlgg.graphs._graph_rows import GraphRows, Within
from torchlgg.graphs._latent_geometry_graph import (
    GraphAndEdges,
    graph_and_edges,
    graph_edges,
    latent_geometry_graph,
)
from torchlgg.graphs._similarity import gram
from torchlgg.graphs._spec import GraphSpec

__all__ = [
    "GraphAndEdges",
    "GraphRows",
    "GraphSpec",
    "Within",
    "check_class_labels",
    "class_edges",
    "cosine_features",
    "gram",
    "graph_and_edges",
    "graph_edges",
    "latent_geometry_graph",
    "pairwise_distances",
    "rounding_of_differences",
]
