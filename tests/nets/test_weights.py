"""Weights in files: what fits is loaded whole, what does not changes nothing."""

from __future__ import annotations

import os
import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from torchlgg.core import InputError
from torchlgg.nets import build_net, load_weights, read_metadata, save_weights


class Thief:
    """A pickle that would run a command."""

    def __reduce__(self):
        return (os.mkdir, ("stolen",))


def net_of(seed: int, name: str = "small_cnn-3", **options: int) -> nn.Module:
    torch.manual_seed(seed)
    return build_net(name, num_classes=options.pop("num_classes", 10), **options)


def copy_of(net: nn.Module) -> dict[str, torch.Tensor]:
    return {key: tensor.clone() for key, tensor in net.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def refusal(path) -> str:
    """The sentence with which a file is refused, after the network was seen not to change."""
    net = net_of(1)
    before = copy_of(net)
    with pytest.raises(InputError) as error:
        load_weights(net, path)
    assert same(before, net.state_dict())
    sentence = str(error.value)
    assert sentence.startswith("load_weights: `path` ")
    assert "\n" not in sentence
    assert "weights_only" not in sentence
    return sentence


def test_round_trip_with_metadata(tmp_path):
    path = tmp_path / "net.safetensors"
    saved, loaded = net_of(0), net_of(1)
    saved.stage1.bn.running_mean.add_(0.5)
    saved.stage1.bn.num_batches_tracked.add_(3)
    words = {"net": "small_cnn-3", "note": "größer"}
    save_weights(saved, path, words)
    assert not same(saved.state_dict(), loaded.state_dict())
    assert load_weights(loaded, path) == words
    assert same(saved.state_dict(), loaded.state_dict())
    assert read_metadata(path) == words
    assert list(tmp_path.iterdir()) == [path]


def test_no_metadata_is_an_empty_mapping(tmp_path):
    save_weights(net_of(0), tmp_path / "net.safetensors")
    assert read_metadata(tmp_path / "net.safetensors") == {}
    assert load_weights(net_of(1), str(tmp_path / "net.safetensors")) == {}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3, "best": 0.5},
        lambda state: {"model": state, "optimizer": {"state": {}}},
        lambda state: OrderedDict((f"module.{k}", v) for k, v in state.items()),
        lambda state: {"model": {f"module._orig_mod.{k}": v for k, v in state.items()}},
        lambda state: {f"_orig_mod.module.{k}": v for k, v in state.items()},
    ],
)
def test_torch_state_dicts_bare_or_wrapped(tmp_path, wrap, legacy):
    saved, loaded = net_of(0), net_of(1)
    torch.save(
        wrap(saved.state_dict()),
        tmp_path / "net.pt",
        _use_new_zipfile_serialization=not legacy,
    )
    assert load_weights(loaded, tmp_path / "net.pt") == {}
    assert same(saved.state_dict(), loaded.state_dict())


def test_wrapped_networks_write_and_read_plain_keys(tmp_path):
    path = tmp_path / "net.safetensors"
    saved, loaded = net_of(0), net_of(1)
    wrapped = torch.compile(nn.DataParallel(saved))
    save_weights(wrapped, path)
    assert load_file(path).keys() == saved.state_dict().keys()
    load_weights(torch.compile(loaded), path)
    assert same(saved.state_dict(), loaded.state_dict())


def test_a_layer_that_is_called_module_is_kept(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(2, 2)
            self.head = nn.Linear(2, 2)

    saved, loaded = Net(), Net()
    save_weights(saved, tmp_path / "net.safetensors")
    assert "module.weight" in load_file(tmp_path / "net.safetensors")
    load_weights(loaded, tmp_path / "net.safetensors")
    assert same(saved.state_dict(), loaded.state_dict())


def test_a_network_without_weights(tmp_path):
    save_weights(nn.ReLU(), tmp_path / "net.safetensors", {"a": "b"})
    assert load_weights(nn.ReLU(), tmp_path / "net.safetensors") == {"a": "b"}
    assert "20 keys missing (" in refusal(tmp_path / "net.safetensors")


def test_shared_and_permuted_memory_is_written(tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)).to(
        memory_format=torch.channels_last
    )
    net[1].weight = net[0].weight
    save_weights(net, tmp_path / "net.safetensors")
    assert same(load_file(tmp_path / "net.safetensors"), net.state_dict())


def test_precision_of_the_network_is_kept(tmp_path):
    saved, loaded = net_of(0), net_of(1)
    save_weights(saved.double(), tmp_path / "net.safetensors")
    load_weights(loaded, tmp_path / "net.safetensors")
    assert loaded.linear.weight.dtype == torch.float32
    assert torch.equal(loaded.linear.weight, saved.linear.weight.float())


def test_another_network_is_refused_with_the_keys_that_differ(tmp_path):
    save_weights(net_of(0, "wrn10-0.5"), tmp_path / "other.safetensors")
    sentence = refusal(tmp_path / "other.safetensors")
    assert "must hold weights of this SmallCNN" in sentence
    assert (
        "18 keys missing ('stage1.conv.weight', 'stage1.bn.weight', 'stage1.bn.bias', ...)"
        in sentence
    )
    assert re.search(
        r"; \d\d keys unexpected \('bn.bias', '[a-z_.]+', '[a-z_.]+', \.\.\.\); ", sentence
    )
    assert sentence.endswith(
        "1 key of other shape ('linear.weight' is (10, 32) and must be (10, 12))"
    )


def test_another_shape_is_refused_with_both_shapes(tmp_path):
    save_weights(net_of(0, in_channels=1, num_classes=10), tmp_path / "gray.safetensors")
    assert refusal(tmp_path / "gray.safetensors").endswith(
        "are of another network: 1 key of other shape "
        "('stage1.conv.weight' is (3, 1, 3, 3) and must be (3, 3, 3, 3))"
    )
    save_weights(net_of(0, num_classes=100), tmp_path / "classes.safetensors")
    assert "2 keys of other shape ('linear.weight' is (100, 12) and must be (10, 12), " in refusal(
        tmp_path / "classes.safetensors"
    )


def test_one_key_too_few_or_too_many_is_refused(tmp_path):
    state = copy_of(net_of(0))
    del state["linear.bias"]
    state["extra"] = torch.ones(1)
    save_file(state, tmp_path / "net.safetensors")
    assert "1 key missing ('linear.bias'); 1 key unexpected ('extra')" in refusal(
        tmp_path / "net.safetensors"
    )


def test_whole_numbers_for_weights_are_refused(tmp_path):
    state = copy_of(net_of(0))
    state["linear.weight"] = (state["linear.weight"] * 127).to(torch.int8)
    save_file(state, tmp_path / "net.safetensors")
    assert "1 key of other type ('linear.weight' holds torch.int8 and must hold" in refusal(
        tmp_path / "net.safetensors"
    )


@pytest.mark.parametrize("kept", [0, 5, 40, 0.5, -1])
def test_truncated_safetensors_are_refused(tmp_path, kept):
    path = tmp_path / "net.safetensors"
    save_weights(net_of(0), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    assert "is damaged, cut short, or no safetensors file" in refusal(path)
    with pytest.raises(InputError, match="read_metadata: `path` "):
        read_metadata(path)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kept", [0, 5, 40, 0.5, -1])
def test_truncated_torch_files_are_refused(tmp_path, kept, legacy):
    path = tmp_path / "net.pt"
    torch.save(net_of(0).state_dict(), path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    assert "is damaged, cut short, or no state dict of torch.save" in refusal(path)


@pytest.mark.parametrize("content", [b"hello world\n", b"<html></html>", b"version https://git\n"])
def test_other_files_are_refused(tmp_path, content):
    for name in ("net.pt", "net.safetensors"):
        (tmp_path / name).write_bytes(content)
        assert "is damaged, cut short, or no " in refusal(tmp_path / name)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        content = pickle.dumps({"state_dict": Thief()}, protocol=protocol)
        (tmp_path / f"thief{protocol}.pkl").write_bytes(content)
    torch.save({"state_dict": Thief()}, tmp_path / "thief.pt")
    torch.save(net_of(0), tmp_path / "model.pt")
    torch.save({"best": np.float64(3)}, tmp_path / "numpy.pt")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert "code that it names (" in (said := refusal(tmp_path / f"thief{protocol}.pkl")) or (
            "no state dict of torch.save, and other pickles are not run" in said
        )
    for name in ("thief2.pkl", "thief.pt", "model.pt", "numpy.pt"):
        sentence = refusal(tmp_path / name)
        assert "could only be read by running code that it names (" in sentence, name
    assert "(torchlgg.nets._small_cnn.SmallCNN)" in refusal(tmp_path / "model.pt")
    assert not (tmp_path / "stolen").exists()


def test_pickle_with_the_ending_of_safetensors_is_refused(tmp_path):
    torch.save(net_of(0).state_dict(), tmp_path / "zip.safetensors")
    (tmp_path / "plain.safetensors").write_bytes(pickle.dumps({"state_dict": Thief()}))
    for name in ("zip.safetensors", "plain.safetensors"):
        sentence = refusal(tmp_path / name)
        assert "is a pickle (as torch.save writes) where safetensors are expected" in sentence


@pytest.mark.parametrize(
    ("content", "held"),
    [
        ({"epoch": 3, "weights": {"a": torch.ones(2)}}, "it holds the keys 'epoch', 'weights'"),
        ([torch.ones(2)], "it holds an object of type list"),
        (torch.ones(2), "it holds an object of type Tensor"),
        ({1: torch.ones(2)}, "it holds the keys 1"),
    ],
)
def test_torch_file_without_a_state_dict_is_refused(tmp_path, content, held):
    torch.save(content, tmp_path / "net.pt")
    assert refusal(tmp_path / "net.pt").endswith(held)


def test_missing_file_and_folder_are_refused(tmp_path):
    for name in ("none.safetensors", "none.pt"):
        assert refusal(tmp_path / name).endswith(f"{name}' does not exist")
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    assert refusal(folder).endswith("folder.safetensors' is no file")
    with pytest.raises(InputError, match=r"read_metadata: .* is no file"):
        read_metadata(folder)


def test_bad_places_and_metadata_leave_nothing_behind(tmp_path):
    net = net_of(0)
    with pytest.raises(InputError, match=r"must end in '.safetensors', got '.*net.pt'"):
        save_weights(net, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"`metadata` must map strings to strings; .*'epoch': 3"):
        save_weights(net, tmp_path / "net.safetensors", {"epoch": 3})
    with pytest.raises(InputError, match=r"cannot write .*net.*: no such file"):
        save_weights(net, tmp_path / "none" / "net.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*: it exists and is not a file"):
        save_weights(net, tmp_path / "folder.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.safetensors"]


def test_a_file_is_replaced_not_overwritten(tmp_path):
    path, reader = tmp_path / "net.safetensors", tmp_path / "open by a reader"
    save_weights(net_of(0), path)
    before = path.read_bytes()
    os.link(path, reader)
    save_weights(net_of(1), path)
    assert reader.read_bytes() == before != path.read_bytes()


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"
    save_weights(net_of(0), path)
    before = path.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*: no space left on device; free some"):
        save_weights(net_of(1), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
