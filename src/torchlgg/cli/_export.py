"""``lgg export``: from a run or a file of weights to a file that other programs run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from torchlgg.cli._screen import console
from torchlgg.core import InputError
from torchlgg.nets import SavedNet, export_net, load_weights
from torchlgg.records import RunFolder

_MODEL = "model.safetensors"


def run_export(
    source: Path,
    out: Path,
    *,
    net: str | None = None,
    image_size: int | None = None,
    takes: Literal["pixels", "normalized"] = "pixels",
    overwrite: bool = False,
) -> None:
    """Write the trained network of a run, or of a file, as ``.pt2`` or ``.onnx``.

    Args:
        source: the folder of a run, whose last network is taken, or a file of safetensors that
            says which network it holds.
        out: the file to write.
        net: the network, where a function of one's own builds it.
        image_size: height and width, where the file is too old to say.
        takes: ``"pixels"`` from 0 to 1, or images that are ``"normalized"`` already.
        overwrite: replace a file at ``out``.

    Raises:
        InputError: no network there, a file at ``out``, or a network that cannot be exported.
    """
    weights = source / _MODEL if source.is_dir() else source
    if source.is_dir() and not weights.is_file():
        raise InputError(
            f"{str(source)!r} holds no trained network ({_MODEL}); name the folder of a run of "
            "`lgg train`, or a file of safetensors"
        )
    if out.exists() and not overwrite:
        raise InputError(f"{str(out)!r} exists; choose another name or pass --overwrite")
    if out.resolve() == weights.resolve():
        raise InputError(f"{str(out)!r} is the file that is to be exported; choose another name")
    saved = SavedNet.read(weights)
    if saved is None:
        raise InputError(
            f"{str(weights)!r} does not say which network its weights belong to, so that it cannot "
            "be exported here; `torchlgg.nets.export_net` takes a network"
        )
    size = saved.image_size if image_size is None else (image_size, image_size)
    if size is None:
        raise InputError(
            f"{str(weights)!r} does not say how large its images are: pass --image-size"
        )
    saved = saved.named(net, path=weights)
    model = saved.build()
    load_weights(model, weights)
    export_net(
        model,
        _own(source, out),
        in_channels=saved.in_channels,
        image_size=size,
        normalize=(saved.mean, saved.std) if takes == "pixels" else None,
        metadata={"torchlgg": json.dumps(asdict(saved))},
    )
    what = "pixels from 0 to 1" if takes == "pixels" else "normalised images"
    console.print(
        f"{out}: {saved.net}, for batches of {saved.in_channels} x {size[0]} x {size[1]} {what}"
    )


def _own(source: Path, out: Path) -> Path:
    """The file to write; inside the folder of the run, it is noted as the run's own."""
    if not source.is_dir() or not out.resolve().is_relative_to(source.resolve()):
        return out
    run = RunFolder.open(source)
    with run.locked():
        return run.path(out.resolve().relative_to(source.resolve()).as_posix())
