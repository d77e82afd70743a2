"""Weights between networks and files: all of them fit, or nothing changes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from torchlgg.core import InputError, write_atomically
from torchlgg.nets._state_files import read_safetensors_metadata, read_state

_WRAPPERS = ("module.", "_orig_mod.")  # DistributedDataParallel's and torch.compile's
_LISTED = 3


def load_weights(
    net: nn.Module, path: str | os.PathLike[str], *, replace_head: bool = False
) -> dict[str, str]:
    """Fill a network with the weights of a file, all of them or none.

    No code of the file is ever run: a safetensors file holds only tensors, and any other is read
    by ``torch.load(weights_only=True)``. A state dict may lie under the key ``"state_dict"`` or
    ``"model"``, and the prefixes ``module.`` and ``_orig_mod.``, which wrappers put before every
    key, do not count, neither in the file nor in the network. Floating-point numbers are
    converted to the precision of the network.

    Args:
        net: the network; changed in place.
        path: a ``.safetensors`` file, or a state dict written by ``torch.save``.
        replace_head: leave the classifier out where the file's has another number of classes: the
            network keeps its own. :func:`replaced_head` lists what that is.

    Returns:
        The metadata written beside the weights; empty where there is none, as in every file of
        ``torch.save``.

    Raises:
        InputError: the file is missing, unreadable, damaged or cut short, would have to run code
            to be read, or fits another network: which keys are missing, unexpected or of other
            shape, the first few of each and how many. The network is then as it was before.

    Example:
        >>> import tempfile
        >>> from torchlgg.nets import build_net, save_weights
        >>> teacher, student = (build_net("small_cnn-6", num_classes=10) for _ in range(2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(teacher, f"{folder}/net.safetensors", {"net": "small_cnn-6"})
        ...     load_weights(student, f"{folder}/net.safetensors")
        {'net': 'small_cnn-6'}
        >>> torch.equal(teacher.linear.weight, student.linear.weight)
        True
    """
    path = Path(path)
    state, metadata = read_state(path, where="load_weights")
    own_state = net.state_dict()
    found, expected = _without_wrappers(state), _without_wrappers(own_state)
    if replace_head:
        found = found | {key: expected[key] for key in _head(net, found, expected)}
    if differences := _differences(found, expected):
        raise InputError(
            f"load_weights: `path` must hold weights of this {type(net).__name__}, but those in "
            f"{str(path)!r} are of another network: {'; '.join(differences)}"
        )
    net.load_state_dict({own: found[clean] for own, clean in zip(own_state, expected, strict=True)})
    return metadata


def replaced_head(net: nn.Module, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """What ``load_weights(..., replace_head=True)`` leaves out of a file.

    The classifier is the last layer of a network that is linear in each position (``nn.Linear``,
    or a convolution of 1x1), in the order in which they were registered; or the last few, for
    networks with several. It is left out where it reads as many features in the file, and gives
    another number of outputs.

    Args:
        net: the network.
        path: the file, as for :func:`load_weights`.

    Returns:
        Their keys, as in the network; empty where the classifier fits, or differs otherwise.

    Raises:
        InputError: the file is missing, unreadable, damaged or would have to run code to be read.

    Example:
        >>> import tempfile
        >>> from torchlgg.nets import build_net, save_weights
        >>> net = build_net("small_cnn-6", num_classes=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(build_net("small_cnn-6", num_classes=10), f"{folder}/ten.safetensors")
        ...     replaced_head(net, f"{folder}/ten.safetensors")
        ('linear.weight', 'linear.bias')
    """
    state, _ = read_state(Path(path), where="replaced_head")
    return _head(net, _without_wrappers(state), _without_wrappers(net.state_dict()))


def save_weights(
    net: nn.Module, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a network's weights and buffers as a safetensors file, whole or not at all.

    The file is written beside its place and then moved there, so that a reader, or a run that
    was cut short, finds the old file or the new one. Wrappers' prefixes (``module.``,
    ``_orig_mod.``) are left out of the keys; weights that share memory are written each.

    Args:
        net: the network; on any device.
        path: the file, ending in ``.safetensors``; an existing one is replaced.
        metadata: words to keep beside the weights, such as the network's name; both keys and
            values are strings.

    Raises:
        InputError: another ending, metadata that are not strings, or a place that cannot be
            written.

    Example:
        >>> import tempfile
        >>> from torchlgg.nets import build_net
        >>> net = build_net("small_cnn-6", num_classes=10, in_channels=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(net, f"{folder}/net.safetensors", {"epoch": "3"})
        ...     read_metadata(f"{folder}/net.safetensors")
        {'epoch': '3'}
    """
    import safetensors.torch

    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"save_weights: `path` must end in '.safetensors', got {str(path)!r}")
    words = dict(metadata or {})
    if not all(isinstance(word, str) for pair in words.items() for word in pair):
        raise InputError(
            "save_weights: `metadata` must map strings to strings; turn the values into text, "
            f"got {words!r}"
        )
    copies = {
        key: tensor.cpu().clone(memory_format=torch.contiguous_format)
        for key, tensor in _without_wrappers(net.state_dict()).items()
    }
    content = safetensors.torch.save(copies, metadata=words or None)
    with write_atomically(path) as file:
        file.write(content)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The words kept beside the weights of a safetensors file, without reading the weights.

    Args:
        path: a ``.safetensors`` file.

    Returns:
        Keys and values; empty where the file has none.

    Raises:
        InputError: the file is missing, unreadable, or no safetensors file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(nn.Linear(2, 1), f"{folder}/x.safetensors", {"seed": "0"})
        ...     read_metadata(f"{folder}/x.safetensors")
        {'seed': '0'}
    """
    return read_safetensors_metadata(Path(path), where="read_metadata")


def _without_wrappers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without the wrappers' prefixes with which every one of its keys begins."""
    for prefix in _WRAPPERS:
        if state and all(key.startswith(prefix) for key in state):
            return _without_wrappers(
                {key.removeprefix(prefix): tensor for key, tensor in state.items()}
            )
    return dict(state)


def _head(
    net: nn.Module, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> tuple[str, ...]:
    """The keys of the last linear layers, from the end up to the first whose rows agree."""
    linear = [f"{name}.weight" for name, module in net.named_modules() if _is_linear(module)]
    keys: list[str] = []
    for weight in reversed(_without_wrappers(dict.fromkeys(linear, torch.empty(0)))):
        ours, theirs = expected.get(weight), found.get(weight)
        if ours is None or theirs is None or ours.shape[1:] != theirs.shape[1:]:
            break
        if ours.shape == theirs.shape:
            break
        bias = f"{weight.removesuffix('weight')}bias"
        keys = [weight, *([bias] if bias in expected and bias in found else []), *keys]
    return tuple(keys)


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (
        isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
    )


def _differences(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """What keeps the tensors of a file from filling a network, in words; empty when they fit."""
    missing = [key for key in expected if key not in found]
    unexpected = [key for key in found if key not in expected]
    reshaped = [
        f"{key!r} is {tuple(found[key].shape)} and must be {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in found and found[key].shape != tensor.shape
    ]
    retyped = [
        f"{key!r} holds {found[key].dtype} and must hold {tensor.dtype}"
        for key, tensor in expected.items()
        if key in found and found[key].is_floating_point() != tensor.is_floating_point()
    ]
    kinds = (
        ("missing", [repr(key) for key in missing]),
        ("unexpected", [repr(key) for key in unexpected]),
        ("of other shape", reshaped),
        ("of other type", retyped),
    )
    return [_counted(items, kind) for kind, items in kinds if items]


def _counted(items: Sequence[str], kind: str) -> str:
    noun = "key" if len(items) == 1 else "keys"
    listed = ", ".join(items[:_LISTED]) + (", ..." if len(items) > _LISTED else "")
    return f"{len(items)} {noun} {kind} ({listed})"
