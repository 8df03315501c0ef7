"""Writes runs' messages into the store, a batch at a time, in a thread of its own.

Durable messages are read from the run's tape, from where the last batch ended: while the database is
locked or the disk is full, runs train on, and their messages are written when there is room again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from descent import wire
from descent.engine.messages import CheckpointTaken
from descent.protocol import ENDED, Recording
from descent.runs.channel import Latest
from descent.runs.run import Run
from descent.runs.tape import Tape
from descent.store.database import cause
from descent.store.packing import pack
from descent.store.records import Batch, Checkpoint, Kept, StoredMessage
from descent.store.retention import surplus
from descent.store.schema import RunRow
from descent.store.store import Store

logger = logging.getLogger(__name__)
T = TypeVar("T")

INTERVAL = 0.4  # seconds between two batches; with the engine's delay, less than a second is at risk
RETRY = 3.0  # seconds between two attempts while nothing can be written
LOOK = 5.0  # seconds between two checks of free disk space
DENSEST = 0.1  # seconds between two recorded pictures of a panel
STEADY = 200_000  # bytes per second of one panel's pictures
UNTIDY, UNTIDY_STEPS = 256, 1 << 18  # messages and steps of scalars after which a run's scalars are tidied
MOST_WAITING = 64 << 20  # bytes of pictures waiting to be written


@dataclass
class _Record:
    """One run's recording state: what is saved, and what waits to be."""

    run: Run
    saved_seq: int = 0
    dirty: bool = True
    frames: dict[tuple[str, int], bytes] = field(default_factory=dict)
    waiting: int = 0  # bytes of `frames`
    held: dict[str, Latest] = field(default_factory=dict)  # by panel: the last picture, if it came too soon
    next_at: dict[str, float] = field(default_factory=dict)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    kept: list[Kept] | None = None  # what the store has; read when first needed
    writing: bool = False
    latest: dict[str, float] = field(default_factory=dict)
    untidy: int = 0  # messages of scalars written since they were tidied
    untidy_steps: int = 0
    last_step: int = 0

    def first_of(self, checkpoints: list[Checkpoint]) -> list[Checkpoint]:
        """The checkpoint at the branch point. Never dropped: else only the parent could restore the run."""
        return [one for one in checkpoints if one.step == self.run.branched_at]


@dataclass
class _Job:
    """One run's part of a batch, gathered in the event loop."""

    record: _Record
    row: RunRow
    frames: dict[tuple[str, int], bytes]
    checkpoints: list[Checkpoint]
    saved_seq: int


class Recorder:
    """Records runs. Its methods are called in the event loop, and none of them waits for the database."""

    def __init__(
        self,
        store: Store,
        *,
        frame_room: int,
        checkpoint_room: int,
        scalar_room: int,
        warn: Callable[[Recording], None],
    ) -> None:
        """`*_room`: bytes per run. `warn` is called when recording fails, and when it works again."""
        self.state = Recording(ok=not store.trouble, reason=store.trouble)
        self._store = store
        self._frame_room = frame_room
        self._checkpoint_room = checkpoint_room
        self._scalar_room = scalar_room
        self._warn = warn
        self._records: dict[str, _Record] = {}
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._one_batch = asyncio.Lock()
        self._retry_at = 0.0
        self._look_at, self._low = 0.0, False  # of free disk space: next check, last result

    # Receiving

    def begin(self, run: Run) -> None:
        """Record a run from now on, in addition to its existing record."""
        if run.id in self._records:
            return
        latest = dict(run.recorded.latest) if run.recorded else {}
        self._records[run.id] = _Record(
            run, saved_seq=run.channel.tape.last_seq if run.recorded else 0, latest=latest
        )

    def changed(self, run: Run) -> None:
        """Mark the run dirty: it has new messages, or its row changed."""
        if record := self._records.get(run.id):
            record.dirty = True
            if run.ended or run.status == "paused":
                for panel, frame in record.held.items():
                    self._keep(record, panel, frame)
                record.held.clear()

    def frame(self, run: Run, panel: str, frame: Latest) -> None:
        """Take in a picture. Not every one is kept."""
        record = self._records.get(run.id)
        if record is None:
            return
        now = time.monotonic()
        if now < record.next_at.get(panel, 0) and not (run.ended or run.status == "paused"):
            record.held[panel] = frame
            return
        record.next_at[panel] = now + max(DENSEST, len(frame.data) / STEADY)
        record.held.pop(panel, None)
        self._keep(record, panel, frame)

    def _keep(self, record: _Record, panel: str, frame: Latest) -> None:
        replaced = record.frames.get((panel, frame.step), b"")
        waiting = record.waiting + len(frame.data) - len(replaced)
        if waiting <= MOST_WAITING:
            record.waiting = waiting
            record.frames[panel, frame.step] = frame.data
            record.dirty = True

    def checkpoint(self, run: Run, taken: CheckpointTaken) -> None:
        """Take in a checkpoint; it replaces the waiting ones except the one at the branch point."""
        if record := self._records.get(run.id):
            came = Checkpoint(taken.step, taken.seq, taken.knobs, taken.payload)
            record.checkpoints = [*record.first_of(record.checkpoints), came]
            record.dirty = True

    def waiting_frame(self, run: str, panel: str, step: int) -> tuple[int, bytes] | None:
        """The last picture at or before `step` that is not written yet."""
        record = self._records.get(run)
        steps = [at for name, at in record.frames if name == panel and at <= step] if record else []
        return (max(steps), record.frames[panel, max(steps)]) if record and steps else None

    def has_unwritten(self, run: Run) -> bool:
        """Whether something of the run is not written yet."""
        record = self._records.get(run.id)
        return record is not None and (record.dirty or record.writing)

    def forget(self, run: str) -> None:
        """Stop recording the run. A write in progress completes."""
        self._records.pop(run, None)

    # Writing

    async def do(self, work: Callable[[], T]) -> T:
        """Do `work` on the store in the writing thread, after earlier work."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def work(self) -> None:
        """Write every `INTERVAL`, for as long as the server runs."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.flush()

    async def strip(self, room: int, each: int) -> list[str]:
        """Make room in the store; returns the ids of the stripped runs. See `Store.strip`."""

        def work() -> list[str]:
            stripped = self._store.strip(room, self._scalar_room, each=each)
            for record in filter(None, map(self._records.get, stripped)):
                record.kept = None
            return stripped

        return await self.do(work)

    async def flush(self, *, anyway: bool = False) -> None:
        """Write all messages so far, unless that failed a moment ago and not `anyway`.

        Cancelling the caller does not cancel the writing: it must be known what is written.
        """
        if anyway or time.monotonic() >= self._retry_at:
            await asyncio.shield(self._write_all())

    async def _write_all(self) -> None:
        async with self._one_batch:
            jobs = [self._gather(record) for record in self._records.values() if record.dirty]
            if not jobs and self.state.ok:
                return
            try:
                await self.do(lambda: self._write(jobs))
            except Exception as error:
                self._failed(error, jobs)
            else:
                self._succeeded(jobs)

    async def close(self) -> None:
        """Write what is left, and end the thread."""
        await self.flush(anyway=True)
        self._thread.shutdown()

    def _gather(self, record: _Record) -> _Job:
        record.dirty = False
        record.writing = True
        return _Job(record, record.run.row(), dict(record.frames), record.checkpoints, record.saved_seq)

    def _failed(self, error: Exception, jobs: list[_Job]) -> None:
        for job in jobs:
            job.record.writing = False
            job.record.dirty = True
            job.record.kept = None
            if not (job.record.run.ended or job.record.run.status == "paused"):
                self._done(job)  # drop these pictures and checkpoints: more will come
                job.record.checkpoints = job.record.first_of(job.checkpoints) + job.record.checkpoints
        self._retry_at = time.monotonic() + RETRY
        reason = cause(error)
        if self.state.ok:
            logger.warning("nothing is recorded (%s): %s", reason, error)
        self._tell(Recording(ok=False, reason=reason))

    def _succeeded(self, jobs: list[_Job]) -> None:
        for job in jobs:
            job.record.writing = False
            job.record.saved_seq = job.saved_seq
            job.record.run.recorded = job.row
            job.record.run.channel.tape.recorded(job.saved_seq)
            self._done(job)
        self._retry_at = 0.0
        self._tell(Recording(ok=True, reason="disk-low" if self._is_low() else ""))

    def _is_low(self) -> bool:
        """Whether the disk is nearly full, checked every `LOOK` seconds."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at, self._low = now + LOOK, self._store.is_low
        return self._low

    def _done(self, job: _Job) -> None:
        for key, data in job.frames.items():
            if job.record.frames.get(key) is data:
                del job.record.frames[key]
                job.record.waiting -= len(data)
        job.record.checkpoints = [one for one in job.record.checkpoints if one not in job.checkpoints]

    def _tell(self, state: Recording) -> None:
        if state != self.state:
            self.state = state
            self._warn(state)

    # In the thread

    def _write(self, jobs: list[_Job]) -> None:
        batches = []
        for job in jobs:
            try:
                batches.append(self._batch(job))
            except ValueError:
                if not job.record.run.channel.tape.closed:  # closed: deleted meanwhile
                    raise
        self._store.save(batches)
        for job in jobs:
            self._tidy(job)

    def _tidy(self, job: _Job) -> None:
        """Thin the scalars to their room, every so often and when the run is at rest."""
        record, row = job.record, job.row
        at_rest = row.status in ENDED or row.status == "paused"
        if record.untidy_steps >= UNTIDY_STEPS or record.untidy >= (1 if at_rest else UNTIDY):
            kept = self._store.tidy(row.id, self._scalar_room)
            row.scalar_bytes, row.scalars_exact_from = kept.size, kept.exact_from
            record.untidy = record.untidy_steps = 0

    def _batch(self, job: _Job) -> Batch:
        record, row = job.record, job.row
        if record.kept is None:
            record.kept = self._store.kept(row.id)
        batch = Batch(row)
        for message in _messages(record.run.channel.tape, job.saved_seq):
            if message.kind == "scalars":
                record.latest = record.latest | last_values(message.data)
                record.untidy += 1
                record.untidy_steps += max(0, message.step - record.last_step)
                record.last_step = message.step
            batch.messages.append(message)
            job.saved_seq = message.seq
        row.latest = record.latest
        batch.frames = {key: pack(data) for key, data in job.frames.items()}
        batch.checkpoints = [replace(one, data=pack(one.data)) for one in job.checkpoints]
        if record.run.recorded is None:
            batch.borrowed = {source: pack(one.data) for source, one in record.run.borrowed.items()}
        self._make_room(record, batch)
        return batch

    def _make_room(self, record: _Record, batch: Batch) -> None:
        """Add the new pictures and checkpoints to the kept ones, and drop the surplus."""
        new = [Kept(panel, step, len(data)) for (panel, step), data in batch.frames.items()]
        new += [Kept("", checkpoint.step, len(checkpoint.data)) for checkpoint in batch.checkpoints]
        places = {(one.panel, one.step) for one in new}
        kept = [one for one in record.kept or [] if (one.panel, one.step) not in places] + new
        kept.sort(key=lambda one: one.step)
        row = batch.run
        frames = surplus([one for one in kept if one.panel], self._frame_room)
        checkpoints = surplus([one for one in kept if not one.panel], self._checkpoint_room)
        batch.dropped = frames + checkpoints
        gone = {(one.panel, one.step) for one in batch.dropped}
        record.kept = [one for one in kept if (one.panel, one.step) not in gone]
        batch.frames = {key: data for key, data in batch.frames.items() if key not in gone}
        row.frames_thinned += len(frames)
        row.checkpoints_thinned += len(checkpoints)
        row.frame_bytes = sum(one.size for one in record.kept if one.panel)
        row.checkpoint_bytes = sum(one.size for one in record.kept if not one.panel)


def _messages(tape: Tape, since: int) -> Iterator[StoredMessage]:
    """A run's messages after `since`: events, and the scalars between two events merged."""
    while entries := tape.after(since, merged=True):
        for entry in entries:
            since = entry.seq
            if entry.data is None:
                continue
            if entry.binary:
                steps = wire.decode(entry.data).arrays["step"]
                yield StoredMessage(entry.seq, "scalars", int(steps[-1]), entry.data)
            else:
                event: Mapping[str, Any] = json.loads(entry.data)
                yield StoredMessage(entry.seq, event["type"], event["step"], entry.data)


def last_values(data: bytes) -> dict[str, float]:
    """Each scalar's last finite value (JSON cannot hold others)."""
    columns = wire.decode(data).arrays
    found = {}
    for name, values in columns.items():
        finite = np.flatnonzero(np.isfinite(values))
        if name != "step" and len(finite):
            found[name] = float(values[finite[-1]])
    return found
