"""Which part of a lineage a run takes along when it leaves, and what its script says of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from descent import wire
from descent.archive import script
from descent.archive.bundle.lineage import Record
from descent.errors import NoScript, NotRecorded, UnknownRun
from descent.protocol import State
from descent.store.packing import pack
from descent.store.records import Batch, Checkpoint, StoredMessage
from descent.store.schema import RunRow
from descent.store.store import Store
from tiny import REGISTRY

KNOBS = {"lr": 0.1, "word": "a", "size": 3}


@pytest.fixture
def store(tmp_path):
    store = Store("", tmp_path)
    yield store
    store.close()


def save(store, id, steps, *, parent=None, changes=(), checkpoints=(), frames=(), **columns):
    """A recorded run; `steps` are (first, end), `changes` (step, knobs), `checkpoints` (step, seq, knobs).

    Its scalars tell run and step by their value; the changes have the seqs 10, 20, …
    """
    first, end = steps
    built = KNOBS | columns.pop("fixed", {})
    row = RunRow(
        id=id,
        experiment="tiny",
        status="finished",
        reason="",
        step=end,
        seed=7,
        device="cpu",
        built_with=built,
        began_with=built,
        knobs=built,
        created_at="2025-01-01T00:00:00+00:00",
        updated_at="2025-01-01T00:00:00+00:00",
        parent=parent,
        branched_at=columns.pop("branched_at", first if parent else None),
        environment={"torch": "2", "imported": "x"},
        **columns,
    )
    values = {"loss/train": np.arange(first, end, dtype=np.float32) + 100 * ord(id)}
    data = wire.encode_columns(id, 1, np.arange(first, end), values)
    messages = [StoredMessage(1, "scalars", end - 1, data)] if end > first else []
    state = State(seq=2, step=first, status="running").model_dump_json()
    messages.append(StoredMessage(2, "state", first, state.encode()))
    for number, (step, knobs) in enumerate(changes, 1):
        event = {"type": "knobs", "seq": 10 * number, "step": step, "knobs": knobs}
        messages.append(StoredMessage(10 * number, "knobs", step, json.dumps(event).encode()))
    kept = [Checkpoint(step, seq, KNOBS | knobs, pack(b"%d" % step)) for step, seq, knobs in checkpoints]
    pictures = {("weights", step): pack(f"{id} {step}".encode()) for step in frames}
    store.save([Batch(row, messages, pictures, kept)])


def told(record):
    """Which run each of its steps came from."""
    values = record.columns["loss/train"] - record.steps
    return "".join(chr(int(value) // 100) for value in values)


def log(record):
    return [(step, values["lr"]) for step, values in record.knob_log()]


def test_a_run_is_its_own_record(store):
    save(store, "A", (0, 4), changes=[(2, {"lr": 0.5})], checkpoints=[(1, 5, {}), (3, 10, {"lr": 0.5})])
    record = Record(store, "A", REGISTRY)
    assert (record.whole, record.first, record.end, told(record)) == (True, 0, 4, "AAAA")
    assert log(record) == [(0, 0.1), (2, 0.5)]
    assert [event["seq"] for event in record.events] == [1, 2]
    assert [(found.step, found.seq) for found in record.checkpoints()] == [(3, 2), (1, 1)]


def test_a_branch_with_its_checkpoint_stands_alone(store):
    save(store, "A", (0, 4))
    save(store, "B", (2, 6), parent="A", changes=[(2, {"lr": 0.5})], checkpoints=[(2, 10, {"lr": 0.5})])
    record = Record(store, "B", REGISTRY)
    assert (record.whole, record.first, told(record), log(record)) == (False, 2, "BBBB", [(2, 0.1), (2, 0.5)])


def test_a_branch_without_it_begins_at_its_parents_last_checkpoint_before(store):
    save(
        store,
        "A",
        (0, 8),
        changes=[(1, {"lr": 0.2}), (3, {"lr": 0.3}), (4, {"lr": 0.4}), (5, {"lr": 0.9})],
        checkpoints=[(1, 1, {}), (3, 20, {"lr": 0.3}), (5, 40, {"lr": 0.9})],
        frames=[1, 3, 4, 6],
    )
    save(
        store,
        "B",
        (4, 7),
        parent="A",
        changes=[(4, {"lr": 0.5}), (6, {"lr": 0.6})],
        checkpoints=[(6, 15, {"lr": 0.5})],
        frames=[4, 5],
    )
    record = Record(store, "B", REGISTRY)
    assert (record.whole, record.first, record.end, told(record)) == (False, 3, 7, "ABBB")
    # The parent's change at step 4 was made before the branch, the one at step 5 after it.
    assert log(record) == [(3, 0.3), (4, 0.4), (4, 0.5), (6, 0.6)]
    assert [(found.step, found.seq) for found in record.checkpoints()] == [(6, 3), (3, 0)]
    assert sorted((step, data) for _, step, data in record.frames()) == [
        (3, b"A 3"),
        (4, b"B 4"),
        (5, b"B 5"),
    ]


def test_without_any_checkpoint_the_whole_lineage_comes_along(store):
    save(store, "A", (0, 5), changes=[(1, {"lr": 0.2})])
    save(store, "B", (3, 5), parent="A", changes=[(3, {"lr": 0.3})])
    save(store, "C", (4, 6), parent="B", changes=[(5, {"lr": 0.4})])
    record = Record(store, "C", REGISTRY)
    assert (record.whole, record.first, told(record)) == (True, 0, "AAABCC")
    assert log(record) == [(0, 0.1), (1, 0.2), (3, 0.3), (5, 0.4)]


def test_what_does_not_lead_to_a_branch_stays_away(store):
    save(store, "A", (0, 5), checkpoints=[(2, 1, {})])
    save(store, "B", (3, 5), parent="A", fixed={"size": 4}, checkpoints=[(4, 5, {"size": 4})])
    save(store, "C", (3, 5), branched_at=3)
    for id in "BC":
        record = Record(store, id, REGISTRY)
        assert (record.whole, record.first, told(record)) == (False, 3, id * 2)


def test_an_unknown_run_has_no_record_and_no_script(store):
    for write in (Record, script.write):
        with pytest.raises(UnknownRun, match="no recorded run 'nope'"):
            write(store, "nope", REGISTRY)


# Scripts


def test_the_script_follows_a_run_from_its_root(store):
    save(store, "A", (0, 5), changes=[(1, {"lr": 0.2}), (3, {"lr": 0.25}), (4, {"lr": 0.9})])
    save(
        store,
        "B",
        (3, 5),
        parent="A",
        changes=[(3, {"lr": 0.3}), (4, {"lr": 0.3})],
        checkpoints=[(3, 10, {})],
    )
    save(store, "C", (5, 9), parent="B", changes=[(6, {"lr": 0.4, "word": "b"})], latest={"extra": 1.0})
    recipe = script.recipe(store, "C", REGISTRY)
    assert recipe.changes == [
        (1, {"lr": 0.2}),
        (3, {"lr": 0.25}),
        (3, {"lr": 0.3}),
        (6, {"lr": 0.4, "word": "b"}),
    ]
    assert (recipe.seed, recipe.steps, list(recipe.scalars)) == (7, 9, ["loss/train", "extra"])
    text = script.write(store, "C", REGISTRY)
    assert 'RUN = {"id": "C", "device": "cpu", "torch": "2"}' in text
    assert text.startswith("# From a run that was imported")
    assert '(6, {"lr": 0.4, "word": "b"})' in text


@pytest.mark.parametrize("step", [0, 3])
def test_a_fixed_knob_that_changed_at_a_branch_is_beyond_a_script(store, step):
    save(store, "A", (0, 5))
    save(store, "B", (step, 5), parent="A", fixed={"size": 4})
    complaint = f"size changed at step {step}, where the run was branched from A"
    with pytest.raises(NoScript, match=complaint) as refusal:
        script.write(store, "B", REGISTRY)
    assert refusal.value.params == {"knobs": ["size"], "step": step, "parent": "A"}


def test_a_branch_whose_parent_is_gone_has_no_script(store):
    save(store, "B", (3, 5), branched_at=3)
    with pytest.raises(NotRecorded, match="the run that B was branched from is not recorded here"):
        script.write(store, "B", REGISTRY)
