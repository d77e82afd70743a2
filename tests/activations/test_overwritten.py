"""Taps are the true outputs of their modules, whatever the network overwrites afterwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.activations.models import images, small_net
from torchlgg.activations import capture
from torchlgg.core import InputError


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_resnet_taps_before_in_place_operations(mode: Any) -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    model = resnet18(weights=None).eval()
    x = images(2, 64)
    with mode(), capture(model, ["conv1", "bn1", "relu", "layer1.0.bn2", "layer1"]) as taps:
        model(x)
    bn1 = model.bn1(model.conv1(x))
    pooled = model.maxpool(nn.functional.relu(bn1))
    block = model.layer1[0]
    bn2 = block.bn2(block.conv2(nn.functional.relu(block.bn1(block.conv1(pooled)))))
    assert (bn1 < 0).any()
    torch.testing.assert_close(taps["bn1"], bn1)
    torch.testing.assert_close(taps["relu"], nn.functional.relu(bn1))
    torch.testing.assert_close(taps["layer1.0.bn2"], bn2)  # followed by `out += identity`
    torch.testing.assert_close(taps["layer1"], model.layer1(pooled))


def test_resnet_gradient_of_a_tap_before_an_in_place_relu() -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    model = resnet18(weights=None)
    x = images(2, 64)
    with capture(model, ["bn1", "layer4"]) as taps:
        output = model(x)
    (taps["bn1"].square().mean() + output.square().mean()).backward()
    gradients = [model.conv1.weight.grad.clone(), model.bn1.bias.grad.clone()]

    model.zero_grad()
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    bn1 = model.bn1(model.conv1(x))
    after = model.layer4(model.layer3(model.layer2(model.layer1(model.maxpool(model.relu(bn1))))))
    output = model.fc(model.avgpool(after).flatten(1))
    (bn1.square().mean() + output.square().mean()).backward()
    torch.testing.assert_close(gradients[0], model.conv1.weight.grad)
    torch.testing.assert_close(gradients[1], model.bn1.bias.grad)


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_pooled_taps_are_of_the_true_output(pool: Any) -> None:
    model = small_net()
    with capture(model, "1", pool=pool) as taps:
        output = model(images())
    normed = model[1](model[0](images()))
    expected = normed.mean((2, 3)) if pool == "mean" else normed.amax((2, 3))
    torch.testing.assert_close(taps["1"], expected)
    (output.sum() + taps["1"].sum()).backward()
    assert model[0].weight.grad is not None


class OverwritesCompound(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(3, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        output, _state = self.rnn(x)
        return output.add_(1.0)


def test_an_overwritten_tensor_of_a_tuple_is_an_error_on_reading() -> None:
    model = OverwritesCompound()
    x = torch.randn(2, 5, 3)
    with capture(model, "rnn") as taps:
        model(x)
    with pytest.raises(InputError, match=r"'rnn' was overwritten in place .* `pool`, or clone"):
        taps["rnn"]
    with capture(model, "rnn", pool="mean") as taps:
        model(x)
    torch.testing.assert_close(taps["rnn"], model.rnn(x)[0].mean(1))


def test_in_inference_mode_an_overwritten_tensor_of_a_tuple_is_kept() -> None:
    model = OverwritesCompound()
    x = torch.randn(2, 5, 3)
    with torch.inference_mode(), capture(model, "rnn") as taps:
        model(x)
    torch.testing.assert_close(taps["rnn"], model.rnn(x)[0])


def test_an_alias_of_the_tap_that_is_overwritten_is_an_error_on_reading() -> None:
    class Aliased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = x * 2
            y = self.drop(x)
            x += 1
            return x + y

    model = Aliased()
    x = torch.randn(2, 3)
    with capture(model, "drop") as taps:
        output = model(x)
    with pytest.raises(InputError, match="'drop' was overwritten in place"):
        taps["drop"]
    torch.testing.assert_close(output, 4 * x + 1)
