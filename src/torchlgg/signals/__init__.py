"""Signals on graphs: Laplacians, label signals, smoothness, filters and the Fourier basis."""

from torchlgg.signals._complete_graph import cosine_smoothness
from torchlgg.signals._filters import feature_diffusion, heat_diffusion, polynomial_filter
from torchlgg.signals._fourier import FourierBasis, graph_fourier_basis
from torchlgg.signals._labels import label_indicators
from torchlgg.signals._laplacian import laplacian
from torchlgg.signals._smoothness import smoothness

__all__ = [
    "FourierBasis",
    "cosine_smoothness",
    "feature_diffusion",
    "graph_fourier_basis",
    "heat_diffusion",
    "label_indicators",
    "laplacian",
    "polynomial_filter",
    "smoothness",
]
