"""What every network of the package promises, and the published sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from torchlgg.core import InputError
from torchlgg.nets import PreActResNet, PreActWideResNet, SmallCNN, WideResNet, build_net

OWN = ("wrn10-0.5", "wrn28-1", "preact_wrn16-0.5", "preactresnet18", "small_cnn", "small_cnn-6")


def small(name: str, *, parseval: bool = False, in_channels: int = 3) -> nn.Module:
    """The network, with a narrow PreActResNet where a wide one would only cost time."""
    if name == "preactresnet18":
        return PreActResNet(num_classes=10, in_channels=in_channels, width=8, parseval=parseval)
    return build_net(name, num_classes=10, in_channels=in_channels, parseval=parseval)


def outputs_in_order(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Every module's output, in the order in which the modules finished."""
    seen: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(_module, _inputs, output):
            assert name not in seen, f"{name} ran twice"
            seen[name] = output

        return hook

    handles = [m.register_forward_hook(keep(name)) for name, m in net.named_modules()]
    net(images)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("wrn28-1", 369_690),
        ("wrn28-0.5", 94_154),
        ("preactresnet18", 11_171_146),
        ("preact_wrn28-10", 36_479_194 - 2 * 640),  # WRN-28-10 without its last batch norm
    ],
)
@pytest.mark.parametrize("parseval", [False, True])
def test_published_sizes(name, parameters, parseval):
    with torch.device("meta"):
        net = build_net(name, num_classes=10, parseval=parseval)
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_small_cnn_has_a_teacher_and_a_student_size():
    teacher, student = (build_net(n, num_classes=10, in_channels=1) for n in OWN[-2:])
    assert 10_000 < sum(p.numel() for p in teacher.parameters()) < 100_000
    assert 1_000 < sum(p.numel() for p in student.parameters()) < 10_000


@pytest.mark.parametrize("parseval", [False, True])
@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(("in_channels", "size"), [(3, (32, 32)), (1, (9, 13)), (4, (1, 1))])
def test_any_image_gives_logits_and_every_parameter_a_gradient(name, parseval, in_channels, size):
    torch.manual_seed(0)
    net = small(name, parseval=parseval, in_channels=in_channels)
    logits = net(torch.randn(3, in_channels, *size))
    assert logits.shape == (3, 10)
    nn.functional.cross_entropy(logits, torch.tensor([1, 4, 7])).backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        if size == (32, 32) and not parameter_name.endswith(".bias"):
            assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", OWN)
def test_relu_taps_are_all_relu_outputs_in_order_of_execution(name):
    torch.manual_seed(1)
    net = small(name)
    seen = outputs_in_order(net, torch.randn(2, 3, 32, 32))
    run = tuple(n for n in seen if isinstance(net.get_submodule(n), nn.ReLU))
    assert net.relu_taps == run
    assert not any(net.get_submodule(n).inplace for n in run)
    for tap in run:
        assert (seen[tap] >= 0).all()
        assert (seen[tap] > 0).any()


@pytest.mark.parametrize(
    ("name", "count"),
    [("preactresnet18", 17), ("wrn28-1", 25), ("preact_wrn28-0.5", 25), ("small_cnn", 3)],
)
def test_number_of_relus(name, count):
    net = small(name)
    assert len(set(net.relu_taps)) == count


@pytest.mark.parametrize("name", OWN)
def test_auto_taps_are_three_non_negative_layers_that_shrink(name):
    torch.manual_seed(2)
    net = small(name)
    seen = outputs_in_order(net, torch.randn(2, 3, 32, 32))
    order = list(seen)
    first, second, pooled = (seen[tap] for tap in net.auto_taps)
    assert [order.index(t) for t in net.auto_taps] == sorted(map(order.index, net.auto_taps))
    assert first.shape[-1] == 32
    assert second.shape[-1] == 16
    assert pooled.shape == (2, net.linear.in_features)
    assert all((seen[tap] >= 0).all() for tap in net.auto_taps)
    # taps must be left as they were by what runs after them
    again = outputs_in_order(net, torch.randn(2, 3, 32, 32))
    assert not torch.equal(again[net.auto_taps[0]], first)


@pytest.mark.parametrize("name", OWN)
def test_taps_are_not_changed_by_later_layers(name):
    torch.manual_seed(3)
    net = small(name).eval()
    images = torch.randn(2, 3, 16, 16)
    copies: dict[str, Tensor] = {}
    for tap in net.relu_taps:
        net.get_submodule(tap).register_forward_hook(
            lambda _m, _i, out, tap=tap: copies.__setitem__(tap, out.detach().clone())
        )
    seen = outputs_in_order(net, images)
    for tap, copy in copies.items():
        assert torch.equal(seen[tap], copy), tap


@pytest.mark.parametrize("name", OWN)
def test_seed_fixes_the_weights(name):
    states = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        states.append(small(name).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["linear.weight"], states[2]["linear.weight"])


def test_dropout_stands_between_the_convolutions_of_every_block():
    torch.manual_seed(0)
    net = build_net("preact_wrn10-1", num_classes=10)
    seen = outputs_in_order(net, torch.randn(4, 3, 32, 32))
    layers = [name for name, module in net.named_modules() if isinstance(module, nn.Dropout)]
    assert layers == [f"layer{group}.0.dropout" for group in (1, 2, 3)]
    order = list(seen)
    for name in layers:
        block = name.removesuffix("dropout")
        assert order.index(f"{block}conv1") + 1 == order.index(name)
        assert order.index(name) + 1 == order.index(f"{block}bn2")
        zeros, kept = seen[name] == 0, seen[f"{block}conv1"]
        assert 0.28 < zeros.float().mean() < 0.32
        torch.testing.assert_close(seen[name][~zeros], kept[~zeros] / 0.7)


def test_dropout_is_an_argument_and_rests_in_evaluation():
    torch.manual_seed(0)
    images = torch.randn(2, 3, 8, 8)
    plain = PreActWideResNet(10, 0.5, num_classes=4, dropout=0)
    assert not any(isinstance(module, nn.Dropout) for module in plain.modules())
    heavy = PreActWideResNet(10, 0.5, num_classes=4, dropout=0.9)
    heavy.load_state_dict(plain.state_dict())
    assert torch.equal(heavy.eval()(images), plain.eval()(images))
    assert not torch.equal(heavy.train()(images), plain.train()(images))


@pytest.mark.parametrize("name", ["wrn10-0.5", "preact_wrn10-0.5", "preactresnet18", "small_cnn"])
def test_compiles_without_a_break(name):
    torch.manual_seed(4)
    net = small(name, parseval=True).eval()
    images = torch.randn(2, 3, 8, 8)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(images), net(images))


@pytest.mark.parametrize("name", OWN)
def test_parseval_variant_has_the_same_keys_and_another_function(name):
    torch.manual_seed(7)
    plain, parseval = small(name).eval(), small(name, parseval=True).eval()
    parseval.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 8, 8)
    assert not torch.allclose(plain(images), parseval(images))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: WideResNet(27, 1, num_classes=10),
            "`depth` must be 6n + 4 for n blocks a group (10, 16, 22, 28, ...), got 27; "
            "the nearest are 22 and 28",
        ),
        (lambda: WideResNet(4, 1, num_classes=10), "got 4; the nearest are 10 and 16"),
        (lambda: WideResNet(28, 0.05, num_classes=10), "`width` must be at least 1/16"),
        (lambda: WideResNet(28, float("nan"), num_classes=10), "`width` must be at least 1/16"),
        (
            lambda: WideResNet(28, 1, num_classes=0),
            "WideResNet: `num_classes` must be a whole number from 1 up, got 0",
        ),
        (
            lambda: PreActWideResNet(29, 1, num_classes=10),
            "PreActWideResNet: `depth` must be 6n + 4 for n blocks a group",
        ),
        (
            lambda: PreActWideResNet(28, 0, num_classes=10),
            "PreActWideResNet: `width` must be at least 1/16",
        ),
        (
            lambda: PreActWideResNet(28, 1, num_classes=10, dropout=1.0),
            "`dropout` must be at least 0 and below 1, got 1.0",
        ),
        (
            lambda: PreActResNet(num_classes=10, in_channels=0),
            "PreActResNet: `in_channels` must be a whole number from 1 up, got 0",
        ),
        (
            lambda: SmallCNN(num_classes=10, width=2.5),
            "SmallCNN: `width` must be a whole number from 1 up, got 2.5",
        ),
        (
            lambda: SmallCNN(num_classes=True),
            "SmallCNN: `num_classes` must be a whole number from 1 up, got True",
        ),
    ],
)
def test_bad_sizes_are_named(make, sentence):
    with pytest.raises(InputError) as error:
        make()
    assert sentence in str(error.value)
