"""A network as a file that other programs run: PyTorch's exported programs, and ONNX.

Shapes: N images of C channels, height H and width W.
"""

from __future__ import annotations

import copy
import importlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from torchlgg.core import InputError, write_atomically
from torchlgg.nets._layers import check_count

Normalization = tuple[Sequence[float], Sequence[float]]

_ENDINGS = (".pt2", ".onnx")
_ONNX_LIMIT = 2_000_000_000  # of a file without others beside it; bytes of weights


class _Normalized(nn.Module):
    """A network behind the normalisation of its images."""

    mean_C11: Tensor
    std_C11: Tensor

    def __init__(self, net: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.net = net
        for name, values in (("mean_C11", mean), ("std_C11", std)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32)[:, None, None])

    def forward(self, images_NCHW: Tensor) -> Tensor:
        output: Tensor = self.net((images_NCHW - self.mean_C11) / self.std_C11)
        return output


def export_net(
    net: nn.Module,
    path: str | os.PathLike[str],
    *,
    in_channels: int,
    image_size: tuple[int, int],
    normalize: Normalization | None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network as a file that runs without torchlgg: ``.pt2`` or ``.onnx``.

    A ``.pt2`` needs PyTorch alone: ``torch.export.load(path).module()`` is called with the images,
    and ``torch.export.load(path, extra_files={"torchlgg": ""})`` fills in the words. An ``.onnx``
    has the input ``images`` and the output ``output``, in the opset that PyTorch chooses; it has
    passed ``onnx.checker``.

    Both take a batch of any number of images, float32 (N, C, H, W), of the size given here. The
    exported program was compared with the network on a second batch before it is written.

    Args:
        net: the network; it is left as it is, and exported in eval mode and float32.
        path: the file, ending in ``.pt2`` or ``.onnx``; whole or absent, an old one is replaced.
        in_channels: C.
        image_size: (H, W).
        normalize: ``(mean, std)``, one number a channel, puts the normalisation in front of the
            network, so that the file takes pixels from 0 to 1; ``None`` takes images that are
            normalised already. The file says which, under ``"input"``.
        metadata: more words to keep in the file.

    Raises:
        InputError: another ending, a normalisation of other channels, a size the network cannot
            take, a network that PyTorch cannot export or whose output is not one tensor, onnx not
            installed, or a place that cannot be written.

    Example:
        >>> import tempfile
        >>> from torchlgg.nets import build_net, export_net
        >>> net = build_net("small_cnn-2", num_classes=10, in_channels=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_net(net, f"{folder}/net.pt2", in_channels=1, image_size=(8, 8),
        ...                normalize=((0.3,), (0.4,)))
        ...     exported = torch.export.load(f"{folder}/net.pt2").module()
        >>> exported(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    path = Path(path)
    if path.suffix not in _ENDINGS:
        raise InputError(f"export_net: `path` must end in '.pt2' or '.onnx', got {str(path)!r}")
    if path.suffix == ".onnx":
        _import_onnx()
    for value, name in (
        (in_channels, "in_channels"),
        *((side, "image_size") for side in image_size),
    ):
        check_count(value, name=name, where="export_net")
    words = {
        "input": "images (N, C, H, W) = (any, {}, {}, {}), float32, {}".format(
            in_channels,
            *image_size,
            "normalised already" if normalize is None else "pixels from 0 to 1",
        ),
        "output": "one row of numbers an image",
        **(metadata or {}),
    }
    program = _exported(net, in_channels, image_size, normalize)
    content = _pt2_bytes(program, words) if path.suffix == ".pt2" else _onnx_bytes(program, words)
    with write_atomically(path) as file:
        file.write(content)


def _exported(
    net: nn.Module, channels: int, size: tuple[int, int], normalize: Normalization | None
) -> torch.export.ExportedProgram:
    """The network as a graph of operations for batches of any length."""
    whole: nn.Module = copy.deepcopy(net).cpu().float()
    if normalize is not None:
        mean, std = normalize
        if len(mean) != channels or len(std) != channels or not all(std):
            raise InputError(
                f"export_net: `normalize` must be (mean, std) with {channels} numbers each, one a "
                f"channel, and no std of 0; got {normalize!r}"
            )
        whole = _Normalized(whole, mean, std)
    whole.eval()
    generator = torch.Generator().manual_seed(0)
    two, three = (torch.rand(count, channels, *size, generator=generator) for count in (2, 3))
    with torch.no_grad():
        try:
            expected = whole(three)
        except Exception as error:  # a network's own words
            raise InputError(
                f"export_net: the network cannot take images of {channels} x {size[0]} x {size[1]}:"
                f" {_first_line(error)}"
            ) from error
        if not isinstance(expected, Tensor):
            raise InputError(
                f"export_net: `net` must return one tensor, got {type(expected).__name__}"
            )
        try:
            program = torch.export.export(
                whole, (two,), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False
            )
            found = program.module()(three)
        except Exception as error:  # torch's own, of many kinds
            raise InputError(
                f"export_net: torch.export cannot follow this {type(net).__name__}: "
                f"{_first_line(error)}"
            ) from error
    if not torch.allclose(found, expected, rtol=1e-3, atol=1e-4, equal_nan=True):
        raise InputError(
            f"export_net: this {type(net).__name__} gives other numbers once exported, so nothing "
            "is written; does it draw at random, or treat one batch unlike another?"
        )
    return program


def _pt2_bytes(program: torch.export.ExportedProgram, words: Mapping[str, str]) -> bytes:
    import json

    content = io.BytesIO()
    torch.export.save(program, content, extra_files={"torchlgg": json.dumps(words)})
    return content.getvalue()


def _onnx_bytes(program: torch.export.ExportedProgram, words: Mapping[str, str]) -> bytes:
    onnx = _import_onnx()
    size = sum(value.nbytes for value in program.state_dict.values())
    if size > _ONNX_LIMIT:
        raise InputError(
            f"export_net: `path` must end in '.pt2' for a network of {size / 1e9:.1f} GB, since "
            "one '.onnx' file holds 2 GB at most"
        )
    try:
        converted = torch.onnx.export(
            program,
            dynamo=True,
            input_names=["images"],
            output_names=["output"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
        assert converted is not None
        model = converted.model_proto
        onnx.helper.set_model_props(model, dict(words))
        onnx.checker.check_model(model)
    except Exception as error:  # torch's own, of many kinds
        raise InputError(
            f"export_net: torch.onnx cannot express this network: {_first_line(error)}; "
            "'.pt2' may do, or a newer torch with a newer onnxscript"
        ) from error
    content: bytes = model.SerializeToString()
    return content


def _import_onnx() -> Any:
    try:
        importlib.import_module("onnxscript")
        return importlib.import_module("onnx")
    except ImportError as error:
        raise InputError(
            f"export_net: '.onnx' needs onnx and onnxscript, which cannot be imported ({error}); "
            "pip install onnx onnxscript"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
