import errno
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descent import wire
from descent.runs import tape as tape_module
from descent.runs.tape import Tape, TapeEntry


@pytest.fixture
def tape(tmp_path):
    tape = Tape("run", tmp_path / "tapes")
    yield tape
    tape.close()


def scalars(seq, steps, **columns):
    columns = columns or {"loss": [float(step) for step in steps]}
    return wire.encode_scalars("run", seq, steps, columns)


def read_all(tape, since=0):
    """What a reader gets that asks until there is no more: the entries of each answer."""
    cursor, answers = since, []
    while entries := tape.after(cursor):
        answers.append(entries)
        cursor = entries[-1].seq
    return answers


def steps_of(answers):
    frames = [wire.decode(entry.data) for entries in answers for entry in entries if entry.binary]
    return [step for frame in frames for step in frame.arrays["step"].tolist()]


def test_messages_come_back_as_they_were(tape):
    tape.append(1, b'{"type": "state"}', binary=False)
    frame = scalars(4, [0, 1])
    tape.append(4, frame, binary=True)
    (entries,) = read_all(tape)
    assert [(entry.seq, entry.binary) for entry in entries] == [(1, False), (4, True)]
    assert entries[0].data == b'{"type": "state"}'
    assert entries[1].data == frame
    assert tape.last_seq == 4


def test_a_reader_goes_on_after_what_it_has(tape):
    for seq in (2, 5, 9):
        tape.append(seq, b"{}", binary=False)
    assert [entry.seq for entry in tape.after(2)] == [5, 9]
    assert [entry.seq for entry in tape.after(4)] == [5, 9]
    assert tape.after(9) == []


def test_an_empty_tape_has_nothing(tape):
    assert tape.last_seq == 0
    assert tape.after(0) == []
    steps, columns = tape.scalars()
    assert len(steps) == 0
    assert columns == {}


@given(
    kinds=st.lists(st.sampled_from("sssse"), min_size=1, max_size=300),
    since=st.integers(0, 300),
    at_once=st.integers(1, 80),
)
def test_however_far_behind_a_reader_gets_every_step_and_event_once_in_order(
    kinds, since, at_once, tmp_path_factory
):
    tape = Tape("run", tmp_path_factory.getbasetemp())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tape_module, "MERGE", 8)
        patch.setattr(tape_module, "AT_ONCE", max(at_once, 8))
        patch.setattr(tape_module, "AT_ONCE_BYTES", 5000)
        for seq, kind in enumerate(kinds, 1):
            if kind == "s":
                tape.append(seq, scalars(seq, [2 * seq, 2 * seq + 1]), binary=True)
            else:
                tape.append(seq, b"%d" % seq, binary=False)
        answers = read_all(tape, since)
    tape.close()
    missed = [(seq, kind) for seq, kind in enumerate(kinds, 1) if seq > since]
    assert steps_of(answers) == [
        step for seq, kind in missed if kind == "s" for step in (2 * seq, 2 * seq + 1)
    ]
    entries = [entry for answer in answers for entry in answer]
    assert [int(entry.data) for entry in entries if not entry.binary] == [
        seq for seq, kind in missed if kind == "e"
    ]
    assert [entry.seq for entry in entries] == sorted({entry.seq for entry in entries})


def test_a_reader_far_behind_gets_few_large_frames(tape):
    for seq in range(1, 1001):
        tape.append(seq, scalars(seq, [seq]), binary=True)
    answers = read_all(tape)
    assert len(answers) == 2
    assert steps_of(answers) == list(range(1, 1001))


def test_all_scalars_are_joined_with_nan_where_none_was_measured(tape):
    tape.append(1, scalars(1, [0, 1], loss=[1.0, 2.0]), binary=True)
    tape.append(2, b"{}", binary=False)
    tape.append(3, scalars(3, [2], loss=[3.0], rare=[9.0]), binary=True)
    steps, columns = tape.scalars()
    assert steps.tolist() == [0, 1, 2]
    assert steps.dtype == np.int64
    assert columns["loss"].tolist() == [1, 2, 3]
    assert np.array_equal(columns["rare"], [np.nan, np.nan, 9], equal_nan=True)


@pytest.mark.parametrize("failure", ["raises", "writes half"])
def test_what_the_disk_does_not_take_is_a_gap_and_the_rest_is_kept(tape, monkeypatch, failure):
    class FullDisk:
        def __init__(self, file):
            self._file = file

        def write(self, data):
            if failure == "raises":
                raise OSError(errno.ENOSPC, "no space")
            return self._file.write(data[: len(data) // 2])

        def __getattr__(self, name):
            return getattr(self._file, name)

    tape.append(1, b"one", binary=False)
    tape._recent = deque(maxlen=0)
    piece = tape._pieces[0]
    file, piece.file = piece.file, FullDisk(piece.file)
    tape.append(2, b"two", binary=False)
    piece.file = file
    tape.append(3, b"three", binary=False)
    assert [entry.data for entry in tape.after(0)] == [b"one", b"two", b"three"]


def test_where_its_folder_takes_no_file_it_lies_elsewhere(tmp_path):
    (tmp_path / "file").touch()
    tape = Tape("run", tmp_path / "file" / "tapes")
    tape.append(1, b"one", binary=False)
    assert [entry.data for entry in tape.after(0)] == [b"one"]
    tape.close()


def test_a_closed_tape_cannot_be_read(tape):
    tape.append(1, scalars(1, [0]), binary=True)
    tape.close()
    with pytest.raises(ValueError, match="closed file"):
        tape.scalars()


def test_nothing_is_left_in_the_folder(tmp_path):
    tape = Tape("run", tmp_path)
    tape.append(1, b"{}", binary=False)
    tape.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def pieces(monkeypatch):
    """Files of a tape that hold hardly anything."""
    monkeypatch.setattr(tape_module, "PIECE", 100)
    monkeypatch.setattr(tape_module, "KEPT", 300)


def test_what_is_recorded_elsewhere_leaves_the_tape_and_comes_from_there(pieces, tmp_path):
    said = [TapeEntry(seq, binary=False, data=b"%050d" % seq) for seq in range(1, 101)]
    tape = Tape("run", tmp_path, past=lambda seq: [one for one in said if one.seq > seq][:7])
    for one in said:
        tape.append(one.seq, one.data, binary=False)
    assert tape.begin == 0
    tape.recorded(60)
    assert tape.begin in (59, 60)
    tape.recorded(100)
    assert tape.size <= 400
    assert [entry for answer in read_all(tape) for entry in answer] == said
    assert tape.behind(50) > tape_module.MERGE
    tape.close()


def test_a_tape_that_nothing_is_recorded_of_forgets_beyond_its_room_and_says_so(pieces, tmp_path):
    tape = Tape("run", tmp_path, room=500)
    for seq in range(1, 101):
        tape.append(seq, b"%050d" % seq, binary=False)
    assert tape.size <= 600
    lost, *rest = [entry for answer in read_all(tape) for entry in answer]
    assert (lost.seq, lost.data) == (tape.begin, None)
    assert [entry.seq for entry in rest] == list(range(tape.begin + 1, 101))
    tape.close()


def test_a_tape_may_begin_after_what_is_recorded(tmp_path):
    tape = Tape("run", tmp_path, begin=7, past=lambda seq: [TapeEntry(7, binary=False, data=b"old")])
    assert tape.last_seq == 7
    tape.append(8, b"new", binary=False)
    assert [entry.data for answer in read_all(tape) for entry in answer] == [b"old", b"new"]
    tape.close()
