"""Event files, read back by TensorBoard itself."""

from __future__ import annotations

import io
import math
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from descent import wire
from descent.archive import tensorboard
from descent.errors import NotInstalled
from descent.store.records import Batch, StoredMessage
from descent.store.schema import RunRow
from descent.store.store import Store
from tiny import REGISTRY


@pytest.fixture
def store(tmp_path):
    store = Store("", tmp_path)
    yield store
    store.close()


def save(store, steps, **columns):
    texts = {"id": "a", "experiment": "tiny", "status": "finished", "reason": "", "device": "cpu"}
    times = dict.fromkeys(("created_at", "updated_at"), "2025-01-01T00:00:00+00:00")
    knobs = {"built_with": {}, "began_with": {}, "knobs": {}}
    row = RunRow(**texts, **times, **knobs, step=len(steps), seed=0)
    data = wire.encode_columns("a", 1, np.array(steps), {n: np.float32(v) for n, v in columns.items()})
    store.save([Batch(row, [StoredMessage(1, "scalars", steps[-1], data)] if steps else [])])


def read(store, folder: Path) -> EventAccumulator:
    with (
        tensorboard.write(store, "a", folder, REGISTRY) as file,
        zipfile.ZipFile(io.BytesIO(file.read())) as archive,
    ):
        (name,) = archive.namelist()
        archive.extractall(folder / "logs")
    assert name == "tiny-a/events.out.tfevents.1735689600.descent"
    return EventAccumulator(str(folder / "logs" / "tiny-a"), size_guidance={"scalars": 0}).Reload()


def test_tensorboard_reads_every_scalar_that_was_measured(store, tmp_path):
    values = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    measured = np.where(np.arange(2000) % 7 == 0, values, math.nan)
    measured[1999] = math.inf
    columns = {"loss/train": values, "acc/test": measured, "never": np.full(2000, math.nan)}
    save(store, list(range(2000)), **columns)
    found = read(store, tmp_path)
    assert set(found.Tags()["scalars"]) == {"loss/train", "acc/test"}
    for name in ("loss/train", "acc/test"):
        events = found.Scalars(name)
        steps = [step for step in range(2000) if not math.isnan(columns[name][step])]
        assert [event.step for event in events] == steps
        assert (
            np.float32([event.value for event in events]).tolist()
            == np.float32(columns[name])[steps].tolist()
        )
        assert {event.wall_time for event in events} == {1735689600}


def test_a_run_without_scalars_has_an_empty_event_file(store, tmp_path):
    save(store, [])
    assert read(store, tmp_path).Tags()["scalars"] == []


def test_without_the_extra_it_says_what_to_install(store, tmp_path, monkeypatch):
    save(store, [0], loss=[1.0])
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotInstalled, match=r"pip install 'descent-playground\[tensorboard\]'") as refusal:
        tensorboard.write(store, "a", tmp_path, REGISTRY)
    assert refusal.value.status == 501
