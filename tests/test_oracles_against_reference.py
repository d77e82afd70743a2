"""The oracles reproduce the numbers that the authors' own code gave, to 1e-9.

This proves the oracles without any line of torchlgg, so that what agrees with them later is right.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.oracles import graphs, losses, signals
from tests.shared import needs_shared, reference

pytestmark = needs_shared
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}

GRAPH_KD = {"threshold": "after_normalization"}
LAPLACIAN_NETWORKS = {"normalization": None, "include_self": True}


@pytest.fixture(scope="module")
def ref():
    return reference()


def taps(ref, side):
    return [ref[f"{side}_{i}"] for i in range(3)]


def neighbors(key):
    k = int(re.search(r"_k(\d+)", key)[1])
    return k or None


def keys(pattern):
    """The keys of the file that match, or one sentence to skip with where the file is absent."""
    try:
        found = [key for key in reference() if re.fullmatch(pattern, key)]
    except FileNotFoundError:
        return ["reference absent"]
    assert found, f"no key matches {pattern}"
    return found


@pytest.mark.parametrize("key", keys(r"gkd_adj_.*"))
def test_adjacency(ref, key):
    tap = re.search(r"_(\d)_k", key)[1]
    spec = {**GRAPH_KD, "k": neighbors(key)}
    if "teacher" in key:
        found = graphs.latent_geometry_graph(ref[f"teacher_{tap}"], **spec)
    else:
        mask = None
        if "ownmask" not in key:
            mask = graphs.graph_edges(ref[f"teacher_{tap}"], **spec)
        found = graphs.latent_geometry_graph(ref[f"student_{tap}"], mask=mask, **spec)
    np.testing.assert_allclose(found, ref[key], **TOLERANCE)


@pytest.mark.parametrize("key", keys(r"gkd_loss_.*"))
def test_graph_distillation_loss(ref, key):
    power, edges = re.fullmatch(r"gkd_loss_k\d+_p(\d)_(\w+)", key).groups()
    found = losses.graph_distillation_loss(
        taps(ref, "student"),
        taps(ref, "teacher"),
        spec={**GRAPH_KD, "k": neighbors(key)},
        power=int(power),
        edges=edges,
        labels=ref["labels"],
        mask_from="teacher",
    )
    np.testing.assert_allclose(25 * found, ref[key], **TOLERANCE)


def test_relational_distance_loss(ref):
    found = losses.relational_distance_loss(taps(ref, "student"), taps(ref, "teacher"))
    np.testing.assert_allclose(25 * found, ref["rkd_distance_loss_25"], **TOLERANCE)


@pytest.mark.parametrize("key", keys(r"smoothness_.*"))
def test_smoothness(ref, key):
    tap, power = re.fullmatch(r"smoothness_(\d)_m(\d)_k\d+", key).groups()
    adjacency = graphs.latent_geometry_graph(
        ref[f"teacher_{tap}"], **LAPLACIAN_NETWORKS, k=neighbors(key)
    )
    found = signals.smoothness(adjacency, signals.label_indicators(ref["labels"]), int(power))
    np.testing.assert_allclose(found, ref[key], **TOLERANCE)


@pytest.mark.parametrize("key", keys(r"laplacian_reg_m.*"))
def test_smoothness_variation_loss(ref, key):
    power = int(re.search(r"_m(\d)", key)[1])
    found = losses.smoothness_variation_loss(
        taps(ref, "teacher"),
        ref["labels"],
        power=power,
        spec={**LAPLACIAN_NETWORKS, "k": neighbors(key)},
    )
    np.testing.assert_allclose(found, ref[key], **TOLERANCE)
