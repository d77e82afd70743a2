"""From what a caller writes to modules: names, globs, aliases, wrappers, hints."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from tests.activations.models import hook_count, images, small_net
from torchlgg.activations import capture
from torchlgg.core import InputError


class Staged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer2(self.layer1(x)))


def taps_of(layers: Any, model: nn.Module | None = None, x: Tensor | None = None) -> list[str]:
    model = model if model is not None else Staged()
    with capture(model, layers) as taps:
        model(torch.randn(2, 3) if x is None else x)
    return list(taps)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("layer1", ["layer1"]),
        (["fc", "layer1"], ["layer1", "fc"]),
        (("layer1.0",), ["layer1.0"]),
        ("layer?", ["layer1", "layer2"]),
        ("layer2*", ["layer2.0", "layer2.1", "layer2"]),
        (["*.0", "fc"], ["layer1.0", "layer2.0", "fc"]),
        (["layer1", "layer?", "layer1"], ["layer1", "layer2"]),
        ("layer[!1]", ["layer2"]),
        ({"layer2": "deep", "layer1": "shallow"}, ["shallow", "deep"]),
    ],
)
def test_names_globs_and_aliases(layers: Any, expected: list[str]) -> None:
    assert taps_of(layers) == expected


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("layer3", r"names 'layer3', which is no module of Staged; did you mean 'layer2' or"),
        (["fc", "layer1.7"], r"names 'layer1.7', .*did you mean 'layer1.1' or 'layer1.0'"),
        ("block*", r"the glob 'block\*', which matches no module of Staged"),
        (["fc", "x?"], r"the glob 'x\?', which matches no module of Staged; known: 'layer1', "),
        ([], "must name at least one module, got none"),
        ({}, "must name at least one module, got an empty mapping"),
        ("", r"names '', which is no module of Staged"),
        (3, r"must be a path, a glob, 'auto', .*, got 3$"),
        (["fc", 3], r"must be a path, a glob, 'auto', .*, got 3 in it$"),
        ({"fc": 3}, r"mapping from path to alias, got 3 in it$"),
        ({"fc": "a", "layer1": "a"}, r"its own alias, 'a' comes twice"),
        ({"layer?": "a"}, r"names 'layer\?', which is no module"),
    ],
)
def test_what_cannot_be_selected_is_an_error(layers: Any, message: str) -> None:
    model = Staged()
    with pytest.raises(InputError, match=message):
        capture(model, layers).__enter__()
    assert hook_count(model) == 0


def test_a_model_must_be_a_module() -> None:
    with pytest.raises(InputError, match=r"`model` must be a torch.nn.Module, got function"):
        capture(taps_of, "x").__enter__()  # type: ignore[arg-type]


def test_a_scripted_model_is_an_error() -> None:
    with warnings.catch_warnings(action="ignore"):  # torch.jit is deprecated, yet files of it live
        model = torch.jit.trace(Staged(), torch.randn(2, 3))
    with pytest.raises(InputError, match="a scripted or traced model takes no hooks"):
        capture(model, "fc").__enter__()


def test_a_called_twice_alias_is_numbered() -> None:
    model = nn.Sequential()
    model.a = nn.Linear(3, 3)
    model.b = model.a
    assert taps_of({"b": "both"}, model) == ["both:1", "both:2"]


def test_names_inside_data_parallel_have_no_prefix() -> None:
    model = nn.DataParallel(Staged())
    assert taps_of(["layer1", "fc"], model) == ["layer1", "fc"]
    with pytest.raises(InputError, match=r"'module.fc', which is no module of Staged; known"):
        capture(model, "module.fc").__enter__()


def test_data_parallel_over_devices_is_an_error() -> None:
    model = nn.DataParallel(Staged())
    model.device_ids = [0, 1]
    with pytest.raises(InputError, match=r"runs a copy on each of 2 devices; capture `model.mod"):
        capture(model, "fc").__enter__()


def test_names_inside_an_averaged_model_have_no_prefix() -> None:
    assert taps_of("layer?", AveragedModel(Staged())) == ["layer1", "layer2"]


def test_the_inner_model_may_be_called_instead_of_its_wrapper() -> None:
    model = nn.DataParallel(Staged())
    with capture(model, "fc") as taps:
        model.module(torch.randn(2, 3))
        output = model.module(torch.randn(4, 3))
    assert taps["fc"].equal(output)


def test_distributed_data_parallel(tmp_path: Any) -> None:
    import torch.distributed as dist

    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    try:
        plain = small_net()
        model = nn.parallel.DistributedDataParallel(small_net())
        for net in (plain, model):
            with capture(net, ["1", "4"]) as taps:
                net(images(3))
                output = net(images(2))
            assert list(taps) == ["1", "4"]
            assert taps["4"].equal(output)
            (output.sum() + taps["1"].square().sum()).backward()
        for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad)
    finally:
        dist.destroy_process_group()


def test_wrappers_inside_the_model_add_nothing_to_the_names() -> None:
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    model = Staged()
    model.layer2 = checkpoint_wrapper(model.layer2)
    assert taps_of(["layer2.0", "layer2"], model) == ["layer2.0", "layer2"]
