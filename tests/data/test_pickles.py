from __future__ import annotations

import contextlib
import os
import pickle
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchlgg.core import InputError
from torchlgg.data._pickles import PickledArray, read_pickle

ARRAY = np.random.default_rng(0).integers(0, 256, (4, 6), dtype=np.uint8)


def written(path: Path, value: Any, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "<u2"])
@pytest.mark.parametrize("fortran", [False, True])
def test_arrays_come_back(protocol: int, dtype: str, fortran: bool, tmp_path: Path) -> None:
    array = (ARRAY if dtype == "u1" else ARRAY * 3 - 7).astype(dtype)
    if fortran:
        array = np.asfortranarray(array)
    held = {"data": array, "labels": [1, 2], "name": "a\u00e9b"}
    found = read_pickle(written(tmp_path / "x", held, protocol))
    assert isinstance(found["data"], PickledArray)
    np.testing.assert_array_equal(found["data"].numpy(), array)
    assert found["data"].numpy().dtype == array.dtype
    assert (found["labels"], found["name"]) == ([1, 2], "a\u00e9b")


def test_the_bytes_of_python_2_come_back(tmp_path: Path) -> None:
    # As the published files hold them: strings of bytes, opcode T, where Python 3 has BINBYTES.
    raw = ARRAY.tobytes()
    content = b"".join(
        [
            b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85",
            b"U\x01b\x87R(K\x01K\x04K\x06\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T",
            struct.pack("<i", len(raw)),
            raw,
            b"tbs.",
        ]
    )
    expected = pickle.loads(content, encoding="latin1")["data"]
    np.testing.assert_array_equal(expected, ARRAY)  # the test's own file is one
    (tmp_path / "x").write_bytes(content)
    np.testing.assert_array_equal(read_pickle(tmp_path / "x")["data"].numpy(), ARRAY)


class Calls:
    """Unpickling this calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._called = (function, arguments)

    def __reduce__(self) -> Any:
        return self._called


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_in_a_file_is_run(protocol: int, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    attack = Calls(os.mkdir, str(ran))
    pickle.loads(pickle.dumps(attack, protocol=protocol))  # it is one
    assert ran.exists()
    ran.rmdir()
    path = written(tmp_path / "x", {"data": ARRAY, "labels": [attack]}, protocol)
    with pytest.raises(
        InputError,
        match=f"^`source`: {re.escape(str(path))} asks for {os.mkdir.__module__}.mkdir, which no "
        f"file of images needs, so nothing of it is read; fetch it again from a place you trust$",
    ):
        read_pickle(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    "named",
    [
        b"cbuiltins\neval\n.",
        b"cbuiltins\ngetattr\n.",
        b"c__builtin__\nexec\n.",
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"cnumpy\nndarray.tofile\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
        b"c_codecs\ndecode\n.",
        b"\x80\x02\x82\x01.",
        b"P1\n.",
        b"(S'x'\nios\nsystem\n.",
    ],
)
def test_other_names_are_refused(named: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(named)
    with pytest.raises(InputError, match=r"asks for|cannot be read as a pickle"):
        read_pickle(tmp_path / "x")


@pytest.mark.parametrize(
    "value",
    [
        np.array([1.5]),
        np.array(["a"], dtype=object),
        np.array([("a", 1)], dtype=[("x", "U1"), ("y", "i4")]),
        Calls(np.dtype, "O"),
        Calls(np.dtype, "V1000000000000"),
    ],
)
def test_arrays_of_anything_but_whole_numbers_are_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read as a pickle: an array .*; fetch it"):
        read_pickle(written(tmp_path / "x", value))


def test_a_codec_of_another_name_is_not_looked_up(tmp_path: Path) -> None:
    import _codecs

    path = written(tmp_path / "x", Calls(_codecs.encode, "a", "idna"))
    with pytest.raises(InputError, match="has the encoding 'idna' and not latin1; fetch it again"):
        read_pickle(path)


def test_the_harmless_classes_cannot_be_changed_from_a_file(tmp_path: Path) -> None:
    # BUILD with the state (None, {...}) sets attributes of what lies on the stack.
    state = b"(N}U\x05numpyK\x01stb."
    for named in (b"cnumpy\nndarray\n", b"c_codecs\nencode\n", b"cnumpy\ndtype\n"):
        (tmp_path / "x").write_bytes(b"\x80\x02" + named + state)
        with pytest.raises(InputError, match="cannot be read as a pickle"):
            read_pickle(tmp_path / "x")
    assert callable(PickledArray.numpy)


def test_a_file_cut_anywhere_gets_a_sentence(tmp_path: Path) -> None:
    whole = pickle.dumps({"data": ARRAY, "labels": [0, 1, 2, 3]}, protocol=2)
    path = tmp_path / "x"
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cannot be read as a pickle: .*; fetch it again$"):
            read_pickle(path)
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x41
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(InputError):  # the only error there may be
            read_pickle(path)
