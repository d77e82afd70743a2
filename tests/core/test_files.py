from __future__ import annotations

import errno
import os
import resource
import stat

import pytest

from torchlgg.core import InputError, write_atomically, write_text_atomically


def test_the_file_appears_only_when_the_block_ends(tmp_path):
    target = tmp_path / "weights.bin"
    target.write_bytes(b"old")
    with write_atomically(target) as file:
        file.write(b"new, and longer")
        file.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new, and longer"
    assert os.listdir(tmp_path) == ["weights.bin"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "weights.bin"
    target.write_bytes(b"old")

    def write_half():
        with write_atomically(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["weights.bin"]


def test_the_bytes_reach_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    write_text_atomically(tmp_path / "a.txt", "x")
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, step):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(
        InputError, match=r"cannot write '.*a\.txt': no space left.*free some space"
    ):
        write_text_atomically(tmp_path / "a.txt", "x")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_inside_the_block_is_a_sentence_too(tmp_path):
    with pytest.raises(InputError, match="no space left"), write_atomically(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(ConnectionError), write_atomically(tmp_path / "a"):
        raise ConnectionError(errno.ECONNRESET, "reset by peer")
    assert os.listdir(tmp_path) == []


def test_bytes_that_wait_in_the_buffer_do_not_hide_the_sentence(tmp_path):
    """The system takes no more; closing the file tries again, and fails again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match=r"cannot write '.*a': file too large"):
            write_text_atomically(tmp_path / "a", "x" * 1500)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_an_absent_folder_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot write '.*absent/a': no such file or directory; "):
        write_text_atomically(tmp_path / "absent" / "a", "x")


def test_a_file_as_folder_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="not a directory"):
        write_text_atomically(tmp_path / "file" / "a", "x")


def test_a_name_no_system_takes_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        write_text_atomically(f"{tmp_path}/a\0b", "x")
    with pytest.raises(InputError, match="cannot write"):
        write_text_atomically(tmp_path / ("a" * 300), "x")
    assert os.listdir(tmp_path) == []


def test_the_longest_name_a_folder_takes_is_written(tmp_path):
    write_text_atomically(tmp_path / ("a" * 255), "x")
    assert os.listdir(tmp_path) == ["a" * 255]


def test_a_device_or_a_folder_is_not_replaced(tmp_path):
    for target in (tmp_path, os.devnull):
        with pytest.raises(InputError, match="exists and is not a file"):
            write_text_atomically(target, "x")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_text_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_the_umask_decides_who_reads_it(tmp_path):
    before = os.umask(0o027)
    try:
        write_text_atomically(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_text_is_utf8_and_its_line_ends_stay(tmp_path):
    write_text_atomically(tmp_path / "a", "é\r\nλ\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\r\n\xce\xbb\n"
