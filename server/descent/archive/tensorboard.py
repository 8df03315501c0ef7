"""The scalars of a run as a TensorBoard event file, in a zip.

    unzip RUN-tensorboard.zip -d logs && tensorboard --logdir logs

Written with TensorBoard's own messages and records, a step at a time. A record of Descent has no clock: every
event bears the time the run was created at.
"""

from __future__ import annotations

import math
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from descent.archive.bundle.lineage import Record
from descent.errors import NotInstalled
from descent.registry import Registry
from descent.store.store import Store

VERSION = "brain.Event:2"  # what TensorBoard expects first in an event file


def write(store: Store, run_id: str, folder: Path, registry: Registry) -> BinaryIO:
    """The zip, as a file in `folder` that is gone when it is closed.

    Raises `NotInstalled` without the extra, `UnknownRun`, and `UnknownExperiment` where Descent lacks it.
    """
    try:
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise NotInstalled(
            "event files are written by TensorBoard: pip install 'descent-playground[tensorboard]'",
            "format",
            what="TensorBoard",
            extra="tensorboard",
        ) from error
    record = Record(store, run_id, registry)
    created = datetime.fromisoformat(record.row.created_at).timestamp()
    name = f"{record.row.experiment}-{record.row.id}/events.out.tfevents.{int(created)}.descent"
    folder.mkdir(parents=True, exist_ok=True)
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 — the caller closes it
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as entry,
    ):
        writer = RecordWriter(entry)
        for event in _events(record, created):
            writer.write(event)
    file.seek(0)
    return file


def _events(record: Record, created: float) -> Iterator[bytes]:
    """Serialised events: the version, then one for each step at which something was measured."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    yield Event(wall_time=created, file_version=VERSION).SerializeToString()
    columns = list(record.columns)
    for step, *row in zip(record.steps.tolist(), *map(iter, record.columns.values()), strict=True):
        values = [
            Summary.Value(tag=tag, simple_value=value)
            for tag, value in zip(columns, row, strict=True)
            if not math.isnan(value)
        ]
        if values:
            yield Event(wall_time=created, step=step, summary=Summary(value=values)).SerializeToString()
