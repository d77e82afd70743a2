"""The retraction of the weights, and the divided convolution."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tests.shared import needs_shared, reference
from torchlgg.core import InputError
from torchlgg.nets import ParsevalConv2d, build_net, parseval_retraction_


class Weights(nn.Module):
    """A module of given parameters."""

    def __init__(self, **tensors: torch.Tensor) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            setattr(self, name, nn.Parameter(tensor.clone()))


def step_by_loops(weight: torch.Tensor, beta: float) -> torch.Tensor:
    """(1 + beta) W - beta W W^T W, entry by entry."""
    rows = weight.reshape(weight.shape[0], math.prod(weight.shape[1:])).tolist()
    gram = [[sum(a * b for a, b in zip(u, v, strict=True)) for v in rows] for u in rows]
    stepped = [
        [
            (1 + beta) * value - beta * sum(gram[i][k] * rows[k][j] for k in range(len(rows)))
            for j, value in enumerate(row)
        ]
        for i, row in enumerate(rows)
    ]
    return torch.tensor(stepped, dtype=torch.float64).reshape(weight.shape)


@needs_shared
def test_retraction_gives_the_authors_weight():
    arrays = reference()
    module = Weights(w=torch.from_numpy(arrays["parseval_weight_in"]))
    assert parseval_retraction_(module, beta=0.01) == ("w",)
    expected = torch.from_numpy(arrays["parseval_weight_out_beta0.01"])
    torch.testing.assert_close(module.w.detach(), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("beta", [0.01, 0.3])
@pytest.mark.parametrize(
    "shape", [(3, 7), (7, 3), (4, 4), (5, 2, 3, 3), (40, 2, 1, 1), (1, 6), (6, 1), (1, 1)]
)
def test_retraction_agrees_with_loops_in_both_orders_of_the_product(shape, beta):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(*shape, generator=generator, dtype=torch.float64)
    module = Weights(w=weight)
    parseval_retraction_(module, beta=beta)
    torch.testing.assert_close(
        module.w.detach(), step_by_loops(weight, beta), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (4, 4)])
def test_orthonormal_weights_stay(shape):
    torch.manual_seed(0)
    weight = nn.init.orthogonal_(torch.empty(*shape, dtype=torch.float64))
    module = Weights(w=weight)
    parseval_retraction_(module, beta=0.2)
    torch.testing.assert_close(module.w.detach(), weight, rtol=0, atol=1e-12)


@pytest.mark.parametrize("start", [0.2, 4.0])
@pytest.mark.parametrize("shape", [(4, 2, 3, 3), (9, 4)])
def test_repetition_leads_to_orthonormal_weights(shape, start):
    torch.manual_seed(0)
    module = Weights(w=start * torch.nn.init.orthogonal_(torch.empty(*shape)).add_(0.01))
    for _ in range(1500):
        parseval_retraction_(module)
    w = module.w.detach().flatten(1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    torch.testing.assert_close(gram, torch.eye(len(gram)), rtol=0, atol=1e-5)


def test_every_matrix_is_stepped_and_nothing_else():
    torch.manual_seed(0)
    net = build_net("wrn10-0.5", num_classes=10, parseval=True)
    net.layer2[0].conv1.weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    touched = parseval_retraction_(net)
    matrices = {name for name, p in net.named_parameters() if p.ndim > 1}
    assert {"conv1.weight", "linear.weight", "layer1.0.shortcut.0.weight"} < matrices
    assert set(touched) == matrices - {"layer2.0.conv1.weight"}
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name not in touched), name


def test_shared_weight_is_stepped_once():
    torch.manual_seed(0)
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    expected = step_by_loops(first.weight.detach().double(), 0.1).float()
    assert parseval_retraction_(nn.Sequential(first, second), beta=0.1) == ("0.weight",)
    torch.testing.assert_close(first.weight.detach(), expected)


def test_degenerate_parameters():
    module = Weights(zero=torch.zeros(2, 3), empty=torch.empty(0, 3, 3), scalar=torch.tensor(2.0))
    assert parseval_retraction_(module) == ("zero",)
    assert torch.equal(module.zero.detach(), torch.zeros(2, 3))
    assert module.scalar.item() == 2.0
    assert parseval_retraction_(nn.ReLU()) == ()


def test_parameters_keep_identity_layout_and_gradient():
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)
    conv.weight.grad = torch.ones_like(conv.weight)
    weight, pointer, expected = (
        conv.weight,
        conv.weight.data_ptr(),
        step_by_loops(conv.weight.detach().double(), 0.1).float(),
    )
    parseval_retraction_(conv, beta=0.1)
    assert conv.weight is weight
    assert weight.data_ptr() == pointer
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert weight.requires_grad
    assert weight.is_leaf
    assert torch.equal(weight.grad, torch.ones_like(weight))
    torch.testing.assert_close(weight.detach(), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_are_rounded_once(dtype):
    torch.manual_seed(0)
    weight = torch.randn(5, 8).to(dtype)
    module = Weights(w=weight)
    parseval_retraction_(module, beta=0.1)
    expected = Weights(w=weight.float())
    parseval_retraction_(expected, beta=0.1)
    assert module.w.dtype == dtype
    assert torch.equal(module.w.detach(), expected.w.detach().to(dtype))


def test_autocast_does_not_coarsen_the_step():
    torch.manual_seed(0)
    weight = torch.randn(5, 8)
    inside, outside = Weights(w=weight), Weights(w=weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parseval_retraction_(inside)
    parseval_retraction_(outside)
    assert torch.equal(inside.w, outside.w)


@pytest.mark.parametrize("beta", [0, -0.01, 1, 1.5, float("nan")])
def test_beta_outside_its_range_is_refused(beta):
    layer = nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    with pytest.raises(InputError, match=r"`beta` must be above 0 and below 1, got "):
        parseval_retraction_(layer, beta=beta)
    assert torch.equal(layer.weight, before)


def test_divided_convolution_keeps_every_setting_of_a_convolution():
    torch.manual_seed(0)
    settings = {
        "stride": (2, 1),
        "padding": (1, 2),
        "dilation": (1, 2),
        "groups": 2,
        "padding_mode": "circular",
    }
    plain = nn.Conv2d(4, 6, (3, 5), **settings)
    divided = ParsevalConv2d(4, 6, (3, 5), **settings)
    divided.load_state_dict(plain.state_dict())
    images = torch.randn(2, 4, 9, 11)
    bias = plain.bias.view(1, -1, 1, 1)
    expected = (plain(images) - bias) / math.sqrt(2 * 3 * 5 + 1) + bias
    torch.testing.assert_close(divided(images), expected, rtol=1e-5, atol=1e-6)
    divided(images).sum().backward()
    assert divided.weight.grad.abs().sum() > 0
