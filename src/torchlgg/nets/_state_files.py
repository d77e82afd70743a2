"""State dicts read from files that may be anything, without running code of theirs."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from torchlgg.core import InputError

_NESTED_UNDER = ("state_dict", "model")
_ASKED_FOR = re.compile(r"GLOBAL (\S+)")


def read_state(path: Path, *, where: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a weights file by key, on the CPU, and its metadata.

    Args:
        path: a ``.safetensors`` file, or else one written by ``torch.save``.
        where: the public function that was called, for the error.

    Returns:
        Tensors and metadata; only safetensors have metadata.

    Raises:
        InputError: no such file, no permission, damaged, not what its name says, or not readable
            without running its code.
    """
    with _errors_in_words(path, where):
        if path.suffix != ".safetensors":
            return _read_torch(path, where), {}
        with _open_safetensors(path) as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})


def read_safetensors_metadata(path: Path, *, where: str) -> dict[str, str]:
    """The metadata in the header of a safetensors file.

    Args:
        path: the file.
        where: the public function that was called, for the error.

    Returns:
        Keys and values; empty where the file has none.

    Raises:
        InputError: no such file, no permission, damaged, or no safetensors file.
    """
    with _errors_in_words(path, where), _open_safetensors(path) as file:
        return dict(file.metadata() or {})


def _open_safetensors(path: Path) -> Any:  # safetensors publishes no types
    import safetensors

    return safetensors.safe_open(path, framework="pt")


@contextlib.contextmanager
def _errors_in_words(path: Path, where: str) -> Iterator[None]:
    """Raise what goes wrong in the block as an InputError about the file ``path``."""
    import safetensors

    try:
        if not path.is_file():
            what = "is no file" if path.exists() else "does not exist"
            raise InputError(f"{where}: `path` must be a file of weights; {str(path)!r} {what}")
        yield
    except OSError as error:
        raise InputError(
            f"{where}: `path` {str(path)!r} cannot be read: {error.strerror or error}"
        ) from error
    except safetensors.SafetensorError as error:
        with path.open("rb") as file:
            start = file.read(4)
        if start.startswith((b"PK\x03\x04", b"\x80")):
            raise InputError(
                f"{where}: `path` {str(path)!r} is a pickle (as torch.save writes) where "
                "safetensors are expected; give it the ending '.pt' to have its tensors read, "
                "and nothing of its code"
            ) from error
        raise InputError(
            f"{where}: `path` {str(path)!r} is damaged, cut short, or no safetensors file "
            f"({error}); fetch or save it again"
        ) from error


def _read_torch(path: Path, where: str) -> dict[str, Tensor]:
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on how the file was pickled
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged pickle fails anywhere, with any error
            # torch's own message is a page long, and advises to run the file's code
            if asked := _ASKED_FOR.search(str(error)):
                raise InputError(
                    f"{where}: `path` {str(path)!r} could only be read by running code that it "
                    f"names ({asked[1]}), which is refused; where you trust it, save its state "
                    "dict alone as safetensors"
                ) from None
            raise InputError(
                f"{where}: `path` {str(path)!r} is damaged, cut short, or no state dict of "
                "torch.save, and other pickles are not run; fetch or save it again, or give "
                "safetensors their ending '.safetensors'"
            ) from None
    return _state_dict_of(content, path, where)


def _state_dict_of(content: object, path: Path, where: str) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        for key in _NESTED_UNDER:
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if isinstance(content, Mapping):
        tensors = {
            key: value
            for key, value in content.items()
            if isinstance(key, str) and isinstance(value, Tensor)
        }
        if len(tensors) == len(content):
            return tensors
        held = "the keys " + ", ".join(repr(key) for key in list(content)[:6])
    else:
        held = f"an object of type {type(content).__name__}"
    raise InputError(
        f"{where}: `path` {str(path)!r} must hold a state dict (names and tensors), alone or "
        f"under 'state_dict' or 'model'; it holds {held}"
    )
