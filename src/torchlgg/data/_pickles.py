"""Arrays, numbers and strings out of a pickle, and nothing else: no code of the file is run.

A pickle names the functions and classes that it wants called. Here each name that the files of
CIFAR hold stands for a harmless class of this file, which checks what it is given, and any other
name is refused before anything is called.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Never

import numpy as np
from numpy.typing import NDArray

from torchlgg.core import InputError

_DTYPES = frozenset({"u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8"})
_LATIN = frozenset({"latin1", "latin-1"})


def read_pickle(path: Path) -> Any:
    """What a pickle of plain containers, numbers, strings and whole-number arrays holds.

    Args:
        path: the file. Strings of Python 2 are read as Latin-1.

    Returns:
        The object; arrays in it are `PickledArray`.

    Raises:
        InputError: when the file asks for anything but arrays, or is damaged.
    """
    try:
        with path.open("rb") as file:
            return _Unpickler(file, path).load()
    except InputError:
        raise
    except Exception as error:  # damaged files make the reader raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"`source`: {path} cannot be read as a pickle: {reason.rstrip('.')}; fetch it again"
        ) from error


class PickledArray:
    """An array on its way out of a pickle."""

    def __init__(self, *_: object) -> None:
        self._array: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if isinstance(content, str):  # the bytes of Python 2
            content = content.encode("latin1")
        if not isinstance(kind, _Kind) or not isinstance(content, bytes):
            raise ValueError("an array is not of whole numbers")
        flat = np.frombuffer(content, kind.dtype)
        self._array = flat.reshape(shape, order="F" if fortran else "C")

    def numpy(self) -> NDArray[Any]:
        """The array, read-only."""
        if self._array is None:
            raise ValueError("an array has no content")
        return self._array


class _Kind:
    """A numpy dtype of whole numbers."""

    def __init__(self, name: object, *_: object) -> None:
        if name not in _DTYPES:
            raise ValueError(f"an array has the type {name!r} and not whole numbers")
        self.dtype = np.dtype(str(name))

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Buffer(PickledArray):
    """An array as the fifth protocol of pickle writes it."""

    def __init__(self, content: Any, kind: Any, shape: Any, order: Any) -> None:
        super().__init__()
        self.__setstate__((1, shape, kind, order == "F", bytes(content)))


class _Latin1:
    """Bytes that Python 3 wrote as a string for Python 2."""

    def __new__(cls, text: str, encoding: str) -> bytes:  # type: ignore[misc]
        if encoding not in _LATIN:
            raise ValueError(f"a string has the encoding {encoding!r} and not latin1")
        return text.encode("latin1")

    def __setstate__(self, state: object) -> Never:
        raise ValueError("a string has a state")


_STANDING_FOR: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): _Kind,
    ("numpy.core.multiarray", "_reconstruct"): PickledArray,
    ("numpy._core.multiarray", "_reconstruct"): PickledArray,
    ("numpy.core.numeric", "_frombuffer"): _Buffer,
    ("numpy._core.numeric", "_frombuffer"): _Buffer,
    ("_codecs", "encode"): _Latin1,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> type:
        found = _STANDING_FOR.get((module, name))
        if found is None:
            raise InputError(
                f"`source`: {self._path} asks for {module}.{name}, which no file of images needs, "
                f"so nothing of it is read; fetch it again from a place you trust"
            )
        return found
