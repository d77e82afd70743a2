"""Latent geometry graphs: similarity, nearest neighbours, symmetry, normalisation."""

from torchlgg.graphs._class_edges import class_edges
from torchlgg.graphs._latent_geometry_graph import graph_edges, latent_geometry_graph
from torchlgg.graphs._similarity import gram, pairwise_distances, rounding_of_differences
from torchlgg.graphs._spec import GraphSpec

__all__ = [
    "GraphSpec",
    "class_edges",
    "gram",
    "graph_edges",
    "latent_geometry_graph",
    "pairwise_distances",
    "rounding_of_differences",
]
