"""Every number of the authors' code in lgg_reference.npz, through the public names.

Values agree to 1e-9 relative, gradients to 1e-8 of their largest entry. ``CHECKS`` maps each
kind of key to what must reproduce it; a key that no pattern knows fails, so nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.shared import needs_shared, reference
from torchlgg.graphs import GraphSpec, graph_edges, latent_geometry_graph
from torchlgg.losses import (
    graph_distillation_loss,
    relational_distance_loss,
    smoothness_variation_loss,
)
from torchlgg.nets import parseval_retraction_
from torchlgg.signals import label_indicators, smoothness

pytestmark = needs_shared

LAMBDA = 25


@pytest.fixture(scope="module")
def ref() -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(np.asarray(value)) for key, value in reference().items()}


def keys() -> list[str]:
    try:
        return list(reference())
    except FileNotFoundError:
        return ["reference absent"]


def taps(ref, side: str, *, grad: bool = False) -> list[torch.Tensor]:
    return [ref[f"{side}_{i}"].clone().requires_grad_(grad) for i in range(3)]


def neighbors(k: str) -> int | None:
    return int(k) or None


def assert_value(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-13)


def assert_gradient(found: torch.Tensor | None, expected: torch.Tensor) -> None:
    assert found is not None
    atol = 1e-8 * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


def teacher_adjacency(ref, key, tap, k):
    found = latent_geometry_graph(ref[f"teacher_{tap}"], GraphSpec.graph_kd(neighbors(k)))
    assert_value(found, ref[key])


def student_adjacency_teacher_mask(ref, key, tap, k):
    spec = GraphSpec.graph_kd(neighbors(k))
    mask = graph_edges(ref[f"teacher_{tap}"], spec)
    assert_value(latent_geometry_graph(ref[f"student_{tap}"], spec, mask=mask), ref[key])


def student_adjacency_own_mask(ref, key, tap, k):
    found = latent_geometry_graph(ref[f"student_{tap}"], GraphSpec.graph_kd(neighbors(k)))
    assert_value(found, ref[key])


def distillation(ref, student, k, power="1", edges="all"):
    return LAMBDA * graph_distillation_loss(
        student,
        taps(ref, "teacher"),
        spec=GraphSpec.graph_kd(neighbors(k)),
        power=int(power),
        edges=edges,
        labels=ref["labels"] if edges != "all" else None,
        mask_from="teacher",
    )


def distillation_value(ref, key, k, power, edges):
    assert_value(distillation(ref, taps(ref, "student"), k, power, edges), ref[key])


def distillation_gradient(ref, key, tap, k):
    student = taps(ref, "student", grad=True)
    distillation(ref, student, k).backward()
    assert_gradient(student[int(tap)].grad, ref[key])


def relational_distance(ref, key):
    found = LAMBDA * relational_distance_loss(taps(ref, "student"), taps(ref, "teacher"))
    assert_value(found, ref[key])


def label_smoothness(ref, key, tap, power, k):
    spec = GraphSpec.laplacian_networks(neighbors(k))
    adjacency = latent_geometry_graph(ref[f"teacher_{tap}"], spec)
    signals = label_indicators(ref["labels"]).to(torch.float64)
    assert_value(smoothness(adjacency, signals, int(power)), ref[key])


def variation(ref, layers, power, k):
    spec = GraphSpec.laplacian_networks(neighbors(k))
    return smoothness_variation_loss(layers, ref["labels"], power=int(power), spec=spec)


def variation_value(ref, key, power, k):
    assert_value(variation(ref, taps(ref, "teacher"), power, k), ref[key])


def variation_gradient(ref, key, tap, power, k):
    layers = taps(ref, "teacher", grad=True)
    variation(ref, layers, power, k).backward()
    assert_gradient(layers[int(tap)].grad, ref[key])


def parseval(ref, key, beta):
    before = ref["parseval_weight_in"]
    layer = torch.nn.Conv2d(before.shape[1], before.shape[0], before.shape[2:]).double()
    with torch.no_grad():
        layer.weight.copy_(before)
    bias = layer.bias.detach().clone()
    parseval_retraction_(layer, beta=float(beta))
    assert_value(layer.weight.detach(), ref[key])
    assert torch.equal(layer.bias, bias)


def is_an_input(ref, key, *_):
    assert ref[key].numel() > 0


CHECKS: dict[str, Callable[..., None]] = {
    r"labels|teacher_\d|student_\d|parseval_weight_in": is_an_input,
    r"gkd_adj_teacher_(\d)_k(\d+)": teacher_adjacency,
    r"gkd_adj_student_(\d)_k(\d+)": student_adjacency_teacher_mask,
    r"gkd_adj_student_ownmask_(\d)_k(\d+)": student_adjacency_own_mask,
    r"gkd_loss_k(\d+)_p(\d)_(all|intra|inter)": distillation_value,
    r"gkd_grad_student_(\d)_k(\d+)": distillation_gradient,
    r"rkd_distance_loss_25": relational_distance,
    r"smoothness_(\d)_m(\d)_k(\d+)": label_smoothness,
    r"laplacian_reg_m(\d)_k(\d+)": variation_value,
    r"laplacian_reg_grad_(\d)_m(\d)_k(\d+)": variation_gradient,
    r"parseval_weight_out_beta([\d.]+)": parseval,
}


@pytest.mark.parametrize("key", keys())
def test_key(ref, key):
    found = [
        (check, match) for pattern, check in CHECKS.items() if (match := re.fullmatch(pattern, key))
    ]
    assert len(found) == 1, (
        f"{key} must be known to exactly one pattern of CHECKS, not {len(found)}"
    )
    check, match = found[0]
    check(ref, key, *match.groups())


def test_every_check_has_a_key(ref):
    unused = [p for p in CHECKS if not any(re.fullmatch(p, key) for key in ref)]
    assert not unused, f"no key of the reference is checked by {unused}"
