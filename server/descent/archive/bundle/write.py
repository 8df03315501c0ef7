"""A run as one zip file: everything that is recorded of it, in formats that anything can read.

    run.json                              what it is: experiment, knobs, seed, status, versions
    knobs.json                            every change of knobs, the first being those it began with
    events.jsonl                          its events, one JSON object a line, as in docs/protocol.md
    scalars.csv, scalars.safetensors      the same numbers twice: to read, and exact
    frames/<panel>/<step>.safetensors     its pictures
    checkpoints/<step>.safetensors        what training goes on from
    checkpoints/<step>.json               the knobs then, and the `seq` of the last event before
    borrowed/<run>.safetensors            the model of a recorded run that it began from

and, where that is asked for, the files of one's own that it was trained on: see own.py. No entry needs
another run: see `Record` for what a branch brings along.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
from pydantic import Field, StringConstraints

from descent import wire
from descent.archive.bundle.lineage import Record
from descent.archive.bundle.own import DataFile, Library, trained_on
from descent.archive.bundle.part import Moment, Part, Text
from descent.cells import plain
from descent.contract import STREAMS
from descent.protocol import LAST_STEP, TRAINED_ON, Status
from descent.registry import Registry
from descent.runs.tags import Tags
from descent.store.schema import ID_LENGTH, NAME_LENGTH, RunRow
from descent.store.store import Store

FORMAT = 1
LAST_SEQ = 2**53  # what JavaScript counts exactly
ROWS_AT_ONCE = 10_000  # of the CSV

RUN, KNOBS, EVENTS = "run.json", "knobs.json", "events.jsonl"
SCALARS, TABLE = "scalars.safetensors", "scalars.csv"
FRAME = re.compile(r"frames/(?P<panel>\w{1,100})/(?P<step>0|[1-9][0-9]{0,15})\.safetensors")
CHECKPOINT = re.compile(r"checkpoints/(?P<step>0|[1-9][0-9]{0,15})\.(?P<kind>safetensors|json)")
BORROWED = re.compile(r"borrowed/(?P<run>\w{1,32})\.safetensors")

Values = dict[str, Any]
Name = Annotated[Text, StringConstraints(max_length=NAME_LENGTH)]
Id = Annotated[Text, StringConstraints(max_length=ID_LENGTH)]


class Parent(Part):
    """A branch's parent, and the number of steps after which it was branched."""

    id: Id
    name: Name = ""
    branched_at: int = Field(ge=0, le=LAST_STEP)


class RunFile(Part):
    """`run.json`. `step`: steps taken; `begins_at`: how many of them came before this record."""

    format: int = FORMAT
    id: Id
    experiment: Name
    name: Name = ""
    tags: Tags = Field([])
    status: Status
    reason: Text = ""
    step: int = Field(ge=0, le=LAST_STEP)
    begins_at: int | None = Field(None, ge=0, le=LAST_STEP)
    parent: Parent | None = None
    seed: int = Field(ge=0, lt=2**32)
    streams: int = Field(1, ge=1, le=STREAMS)  # see `Experiment.streams`; old bundles lack it
    device: str = Field(pattern=TRAINED_ON)
    built_with: Values
    began_with: Values
    max_steps: int | None = Field(None, ge=1, le=10**12)
    pace: float | None = Field(None, ge=0.1, le=1e6)
    created_at: Moment
    updated_at: Moment
    environment: dict[Name, Name] = Field({}, max_length=100)


class Change(Part):
    """One entry of `knobs.json`."""

    step: int = Field(ge=0, le=LAST_STEP)
    knobs: Values


class CheckpointFile(Part):
    """`checkpoints/<step>.json`."""

    seq: int = Field(ge=0, le=LAST_SEQ)
    knobs: Values


def write(
    store: Store, run_id: str, folder: Path, registry: Registry, library: Library | None = None
) -> BinaryIO:
    """The bundle of a run, as a file in `folder` that is gone when it is closed. With a `library` the files
    that it was trained on go along.

    Raises `UnknownRun`, `UnknownExperiment` where this Descent lacks it, and `UnknownFile`.
    """
    record = Record(store, run_id, registry)
    folder.mkdir(parents=True, exist_ok=True)
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 — the caller closes it
    try:
        _write(record, store, file, library)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _write(record: Record, store: Store, file: BinaryIO, library: Library | None) -> None:
    row = record.row
    # Level 1 shrinks pictures to a third at the speed of a disk; weights do not shrink at all.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        bundle.writestr(RUN, _run_file(record, store).model_dump_json(indent=2))
        log = [Change(step=at, knobs=dict(values)).model_dump() for at, values in record.knob_log()]
        bundle.writestr(KNOBS, json.dumps(log, ensure_ascii=False, indent=1))
        with bundle.open(EVENTS, "w") as events:
            for event in record.events:
                events.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
        with bundle.open(TABLE, "w", force_zip64=True) as table:
            _write_table(record.steps, record.columns, table)
        bundle.writestr(SCALARS, wire.encode_columns(row.id, 0, record.steps, record.columns))
        for panel, step, data in record.frames():
            bundle.writestr(f"frames/{panel}/{step}.safetensors", data)
        for checkpoint in record.checkpoints():
            beside = CheckpointFile(seq=checkpoint.seq, knobs=dict(checkpoint.knobs))
            bundle.writestr(f"checkpoints/{checkpoint.step}.json", beside.model_dump_json())
            bundle.writestr(f"checkpoints/{checkpoint.step}.safetensors", checkpoint.data, zipfile.ZIP_STORED)
        for run, data in record.borrowed().items():
            bundle.writestr(f"borrowed/{run}.safetensors", data, zipfile.ZIP_STORED)
        if library is not None:
            _write_data(record, library, bundle)


def _write_data(record: Record, library: Library, bundle: zipfile.ZipFile) -> None:
    """The files of one's own that the run was trained on."""
    for digest, kind in trained_on(record.entry, (knobs for _, knobs in record.knob_log())).items():
        one = library.find(digest)
        note = DataFile(name=one.name, kind=kind, types=one.types)
        bundle.writestr(f"data/{digest}.json", note.model_dump_json(indent=2))
        bundle.writestr(f"data/{digest}", library.content(digest))


def _run_file(record: Record, store: Store) -> RunFile:
    row = record.row
    parent = None
    if row.branched_at is not None and row.parent:
        found = store.run(row.parent)
        parent = Parent(id=row.parent, name=found.name if found else "", branched_at=row.branched_at)
    own = {name: getattr(row, name) for name in RunFile.model_fields.keys() & RunRow.__table__.columns.keys()}
    known = {"step": record.end, "began_with": record.began_with, "parent": parent}
    return RunFile(**own | known, begins_at=None if record.whole else record.first)


def _write_table(steps: np.ndarray, columns: Mapping[str, np.ndarray], file: Any) -> None:
    """The scalars as CSV, an empty cell where one was not measured or is not finite."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(["step", *map(plain, columns)])
    for first in range(0, len(steps), ROWS_AT_ONCE):
        some = slice(first, first + ROWS_AT_ONCE)
        cells = [
            [
                value if finite else ""
                for value, finite in zip(values[some].tolist(), np.isfinite(values[some]), strict=True)
            ]
            for values in columns.values()
        ]
        writer.writerows(zip(steps[some].tolist(), *cells, strict=True))
    text.flush()
    text.detach()
