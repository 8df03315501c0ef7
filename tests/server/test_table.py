"""Scalars as tables: all, a range, as many rows as asked; and the overview of a long run."""

import csv
import io
import json
import tracemalloc

import numpy as np
import pytest

from descent import wire
from descent.runs.table import Overview, Range, Table
from descent.runs.tape import Tape

SPIKE = 7321


@pytest.fixture
def tape(tmp_path):
    """20,000 steps, one of them with a spike, from 10,000 on with another scalar; an event in between."""
    tape = Tape("run", tmp_path)
    for seq in range(1, 201):
        steps = np.arange(100 * (seq - 1), 100 * seq)
        columns = {"loss": np.where(steps == SPIKE, 50, np.cos(steps)).astype(np.float32)}
        if seq > 100:
            columns["late"] = steps.astype(np.float32)
        tape.append(
            seq if seq <= 50 else seq + 1, wire.encode_columns("run", seq, steps, columns), binary=True
        )
        if seq == 50:
            tape.append(51, b'{"type": "knobs", "seq": 51}', binary=False)
    yield tape
    tape.close()


@pytest.fixture
def read(tape, tmp_path):
    def read(format, **asked):
        table = Table(tape, tmp_path, Range(**asked))
        data = b"".join(table.written("run", format))
        table.close()
        return data

    return read


def test_all_formats_hold_the_same(read, tape):
    steps, columns = tape.scalars()
    exact = wire.decode(read("safetensors"))
    assert (exact.type, exact.step, exact.seq) == ("scalars", 19_999, 201)
    assert np.array_equal(exact.arrays["step"], steps)
    for name, column in columns.items():
        assert np.array_equal(exact.arrays[name], column, equal_nan=True)
    as_json = json.loads(read("json"))
    assert list(as_json) == ["step", "loss", "late"]
    assert as_json["loss"] == columns["loss"].tolist()
    assert as_json["late"][9_999:10_001] == [None, 10_000]
    rows = list(csv.reader(io.StringIO(read("csv").decode())))
    assert len(rows) == 20_001
    assert rows[0] == ["step", "loss", "late"]
    assert rows[10_000] == ["9999", repr(float(columns["loss"][9999])), ""]


def test_a_range_has_its_ends(read):
    found = json.loads(read("json", first=7300, last=7350))
    assert found["step"] == list(range(7300, 7351))
    assert found["loss"][21] == 50
    assert json.loads(read("json", first=10**9)) == {"step": []}


def test_points_keep_the_spike_and_the_ends(read):
    found = json.loads(read("json", points=300))
    assert len(found["step"]) <= 300
    assert (found["step"][0], found["step"][-1]) == (0, 19_999)
    assert max(found["loss"]) == 50
    assert abs(found["step"][found["loss"].index(50)] - SPIKE) < 256


def test_a_range_in_fewer_points_than_it_has_steps(read):
    found = json.loads(read("json", first=7000, last=7999, points=90))
    assert (found["step"][0], found["step"][-1]) == (7000, 7999)
    assert len(found["step"]) <= 90
    assert max(found["loss"]) == 50


def test_a_long_table_takes_little_memory(tape, tmp_path):
    begin = 20_000
    for seq in range(300, 400):  # 400,000 steps of 30 scalars: 51 MB
        steps = np.arange(begin, begin := begin + 4000)
        columns = {f"scalar/{n}": np.ones(4000, np.float32) for n in range(30)}
        tape.append(seq, wire.encode_columns("run", seq, steps, columns), binary=True)
    tracemalloc.start()
    table = Table(tape, tmp_path, Range())
    size = sum(len(piece) for piece in table.written("run", "safetensors"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    table.close()
    assert size > 50_000_000
    assert peak < 12_000_000


def test_nothing_is_left_in_the_folder(tape, tmp_path):
    Table(tape, tmp_path / "tables", Range()).close()
    assert list((tmp_path / "tables").iterdir()) == []


def test_an_overview_has_the_curve_in_few_rows_and_every_event_and_goes_on(tape):
    overview = Overview(tape, 300)
    until, (frame, event) = overview.since(0)
    assert until == 201
    assert event == '{"type": "knobs", "seq": 51}'
    found = wire.decode(frame)
    assert found.seq == 0  # so that who is cut off now asks for all again
    assert len(found.arrays["step"]) <= 300
    assert found.arrays["loss"].max() == 50
    tape.append(202, wire.encode_scalars("run", 202, [20_000], {"loss": [-50.0]}), binary=True)
    until, messages = overview.since(100)
    assert until == 202
    (frame,) = messages
    assert wire.decode(frame).seq == 100
    assert wire.decode(frame).arrays["loss"].min() == -50


def test_of_a_short_run_an_overview_is_exact(tape):
    _, (frame, _) = Overview(tape, 20_000).since(0)
    assert wire.decode(frame).arrays["step"].tolist() == list(range(20_000))
