"""Laplacians and the smoothness of signals, entry by entry. N vertices, C signals."""

from __future__ import annotations

import math

import numpy as np


def label_indicators(labels, num_classes=None):
    """s[i, c] = 1 where example i has class c; soft labels are signals already."""
    labels = np.asarray(labels)
    if labels.ndim == 2:
        return labels.astype(np.float64)
    count = len(labels)
    if num_classes is None:
        num_classes = int(max(labels)) + 1
    s = np.zeros((count, num_classes))
    for i in range(count):
        s[i, int(labels[i])] = 1.0
    return s


def laplacian(adjacency, normalization=None):
    """D - A, I' - D^-1/2 A D^-1/2 or I' - D^-1 A."""
    adjacency = np.asarray(adjacency, dtype=np.float64)
    count = len(adjacency)
    out = np.zeros((count, count))
    for i in range(count):
        signed = sum(adjacency[i, j] for j in range(count))
        d_i = sum(abs(adjacency[i, j]) for j in range(count))
        for j in range(count):
            d_j = sum(abs(adjacency[j, other]) for other in range(count))
            if normalization is None:
                out[i, j] = (signed if i == j else 0.0) - adjacency[i, j]
            elif normalization == "symmetric":
                if d_i > 0.0 and d_j > 0.0:
                    one = 1.0 if i == j else 0.0
                    out[i, j] = one - adjacency[i, j] / math.sqrt(d_i * d_j)
            elif normalization == "random_walk":
                if d_i > 0.0:
                    out[i, j] = (1.0 if i == j else 0.0) - adjacency[i, j] / d_i
            else:
                raise AssertionError(normalization)
    return out


def product(a, b):
    """The matrix product, as three loops."""
    out = np.zeros((len(a), len(b[0])))
    for i in range(len(a)):
        for j in range(len(b[0])):
            total = 0.0
            for inner in range(len(b)):
                total += a[i][inner] * b[inner][j]
            out[i, j] = total
    return out


def smoothness(adjacency, signals, power=1, *, normalization=None, by=None):
    """tr(S^T L^m S), or its terms by class (s_c^T L^m s_c) or by vertex."""
    signals = np.asarray(signals, dtype=np.float64)
    if signals.ndim == 1:
        signals = signals[:, None]
    lap = laplacian(adjacency, normalization)
    moved = signals
    for _ in range(power):
        moved = product(lap, moved)
    count, classes = signals.shape
    if by == "class":
        return np.array(
            [sum(signals[i, c] * moved[i, c] for i in range(count)) for c in range(classes)]
        )
    if by == "vertex":
        return np.array(
            [sum(signals[i, c] * moved[i, c] for c in range(classes)) for i in range(count)]
        )
    assert by is None
    return sum(signals[i, c] * moved[i, c] for i in range(count) for c in range(classes))
