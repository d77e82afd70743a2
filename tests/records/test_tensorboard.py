from __future__ import annotations

import os
import sys

import pytest

from torchlgg.core import InputError
from torchlgg.records import write_tensorboard

ROWS = [
    {
        "epoch": epoch,
        "learning_rate": 0.1 / epoch,
        "terms": {"ce": 2.0 / epoch, "gkd": 0.5},
        "smoothness": {"layer1.0": 0.25 * epoch, "layer2": None},
        "validation_error": None if epoch == 1 else 0.5,
        "seconds": 10.0,
        "subject": "student",
        "good": True,
    }
    for epoch in (1, 2, 3)
]


def accumulator(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder))


def scalars(found):
    found.Reload()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def test_every_number_of_every_row_is_there(tmp_path):
    write_tensorboard(ROWS, tmp_path, began=1000.0)
    found = accumulator(tmp_path)
    numbers = scalars(found)
    assert set(numbers) == {
        "learning_rate", "terms/ce", "terms/gkd", "smoothness/layer1.0", "validation_error",
        "seconds",
    }  # fmt: skip
    assert numbers["smoothness/layer1.0"] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert numbers["terms/ce"] == [(1, 2.0), (2, 1.0), (3, pytest.approx(2 / 3, rel=1e-6))]
    assert numbers["validation_error"] == [(2, 0.5), (3, 0.5)]
    assert [event.wall_time for event in found.Scalars("seconds")] == [1010, 1020, 1030]


def test_a_tensorboard_that_is_open_sees_the_epochs_that_come_and_none_twice(tmp_path):
    found = accumulator(tmp_path)
    path = write_tensorboard([], tmp_path)
    file, began = path.stat().st_ino, path_began(path)
    for count in (1, 2, 3, 3):
        path = write_tensorboard(ROWS[:count], tmp_path)
        # one file that grows: its reader has it open; and no time that moves
        assert (path.stat().st_ino, path_began(path)) == (file, began)
        assert os.listdir(tmp_path) == [path.name]
        assert [step for step, _ in scalars(found)["terms/gkd"]] == list(range(1, count + 1))
    write_tensorboard(ROWS, tmp_path / "at once", began=path_began(path))
    assert path.read_bytes() == (tmp_path / "at once" / path.name).read_bytes()


def path_began(path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return next(iter(EventFileLoader(str(path)).Load())).wall_time


def test_wherever_a_kill_cut_the_file_the_next_call_mends_it(tmp_path):
    path = write_tensorboard(ROWS[:2], tmp_path, began=1e9)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        write_tensorboard(ROWS[:2], tmp_path, began=1e9)
        assert path.read_bytes() == whole


def test_a_run_that_goes_back_is_written_as_it_is_now(tmp_path):
    write_tensorboard(ROWS, tmp_path)
    write_tensorboard(ROWS[:1], tmp_path)
    assert [step for step, _ in scalars(accumulator(tmp_path))["terms/gkd"]] == [1]


def test_event_files_of_others_stay(tmp_path):
    (tmp_path / "events.out.tfevents.1700000000.host").write_bytes(b"")
    write_tensorboard(ROWS[:1], tmp_path / "new" / "folder")
    write_tensorboard(ROWS[:1], tmp_path)
    write_tensorboard(ROWS, tmp_path)
    assert sorted(os.listdir(tmp_path)) == [
        "events.out.tfevents.1700000000.host",
        "events.out.tfevents.torchlgg",
        "new",
    ]


def test_no_rows_are_an_empty_file(tmp_path):
    assert scalars(accumulator(write_tensorboard([], tmp_path).parent)) == {}


def test_a_row_without_an_epoch_and_a_file_in_the_way_are_sentences(tmp_path):
    with pytest.raises(InputError, match="`rows` must have an epoch each, row 1 has None"):
        write_tensorboard([ROWS[0], {"loss": 1.0}], tmp_path)
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        write_tensorboard(ROWS, tmp_path / "file")


def test_without_the_package_the_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(InputError, match="`pip install tensorboard`"):
        write_tensorboard(ROWS, tmp_path)
