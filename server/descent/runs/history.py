"""Recorded runs: find them, view them at any step, return to any step."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from descent import errors, wire
from descent.declared import known
from descent.engine.messages import Replay
from descent.protocol import ENDED, RunInfo
from descent.registry import Registry
from descent.runs.channel import Channel, Latest
from descent.runs.listing import COLUMNS, Order
from descent.runs.recorder import Recorder
from descent.runs.run import IMPORTED, Run, info_of
from descent.runs.tape import Tape, TapeEntry
from descent.runs.way_back import borrowed_by, way_back
from descent.store.database import StoreError, cause
from descent.store.schema import RunRow
from descent.store.store import Store

logger = logging.getLogger(__name__)


class History:
    """The record of all runs. Its methods wait for the database in other threads."""

    def __init__(
        self, store: Store, recorder: Recorder, registry: Registry, tapes: Path, *, tape_room: int
    ) -> None:
        """`tape_room`: bytes of one run's messages that are not recorded yet."""
        self.store = store
        self.recorder = recorder
        self.registry = registry
        self._tapes = tapes
        self._tape_room = tape_room

    def tape(self, run_id: str, begin: int = 0) -> Tape:
        """A tape for the run's messages after `begin`; recorded ones are read from the store."""

        def past(seq: int) -> list[TapeEntry]:
            return [
                TapeEntry(said.seq, binary=said.kind == "scalars", data=said.data)
                for said in self.store.said_after(run_id, seq)
            ]

        return Tape(run_id, self._tapes, begin=begin, room=self._tape_room, past=past)

    async def write(self, work: Callable[[Store], None]) -> None:
        """Do `work` on the store, after what waits to be recorded. Raises `NotWritten`."""
        await self.recorder.flush()
        try:
            await self.recorder.do(lambda: work(self.store))
        except (SQLAlchemyError, StoreError) as error:
            reason = cause(error)
            raise errors.NotWritten(
                f"the store cannot be written to now ({reason})", "run", reason=reason
            ) from error

    async def load(self, run_id: str) -> Run | None:
        """The recorded run with this id and its messages; None if there is none."""
        row = await asyncio.to_thread(self.store.run, run_id)
        if row is None:
            return None
        _at_rest(row)
        try:
            if row.declared is None:
                self.registry.find(row.experiment)
        except errors.UnknownExperiment as error:
            raise errors.UnknownExperiment(
                f"run {run_id} is of the experiment {row.experiment}, which this server does not have",
                "experiment",
                reason="run",
                experiment=row.experiment,
            ) from error
        return await asyncio.to_thread(self._load, row)

    def _load(self, row: RunRow) -> Run:
        log = [(row.branched_at or 0, row.began_with)]
        for message in self.store.messages(row.id, "knobs"):
            event = json.loads(message.data)
            log.append((event["step"], event["knobs"]))
        entry = known(self.registry, row.experiment, row.declared)
        assert entry is not None, row.experiment
        latest = {}
        for panel in entry.panels:
            if found := self.store.frame(row.id, panel, row.step):
                seq = int(wire.metadata_of(found[1])["seq"])
                latest[panel] = Latest(seq, *found)
        borrowed = borrowed_by(self.store, self.registry, row.id)
        kept = {field.name for field in fields(Run)} & set(RunRow.__table__.columns.keys())
        columns = {name: getattr(row, name) for name in kept}
        channel = Channel(self.tape(row.id, self.store.last_seq(row.id)))  # last: nobody would close it
        channel.latest = latest
        return Run(
            entry=entry,
            channel=channel,
            knob_log=log,
            recorded=row,
            imported=row.environment.get(IMPORTED, ""),
            borrowed=borrowed,
            **columns,
        )

    async def runs(
        self, live: Mapping[str, Run], *, limit: int, offset: int, order: Order, **which: Any
    ) -> list[RunInfo]:
        """A page of the recorded runs that `Store.runs` finds. Runs in `live` take precedence."""

        def found() -> Sequence[RunRow]:
            if order.by == "created":
                return self.store.runs(limit=limit, offset=offset, oldest_first=not order.descending, **which)
            facts = self.store.facts(RunRow.id, *COLUMNS[order.by], **which)
            page = order.sorted(facts, self.registry)[offset : offset + limit]
            return self.store.some([one.id for one in page])

        def read() -> list[RunInfo]:
            return [info_of(_at_rest(row)) for row in found()]

        return [
            live[found.id].info() if found.id in live else found for found in await asyncio.to_thread(read)
        ]

    async def some(self, ids: Sequence[str]) -> list[RunInfo]:
        """The recorded runs with these ids."""
        await self.recorder.flush()
        return [info_of(_at_rest(row)) for row in await asyncio.to_thread(self.store.some, ids)]

    async def family(self, run_id: str, live: Mapping[str, Run]) -> list[RunInfo]:
        """The tree of branches a run belongs to, the oldest first."""
        await self.recorder.flush()
        rows = await asyncio.to_thread(self.store.family, run_id)
        return [live[row.id].info() if row.id in live else info_of(_at_rest(row)) for row in rows]

    async def frames_at(self, run: Run, panels: Sequence[str], step: int) -> list[bytes]:
        """The last picture of each panel at or before `step`; before a branch began, its parent's."""
        waiting = {panel: self._in_memory(run, panel, step) for panel in panels}
        return await asyncio.to_thread(self._frames_at, run, waiting, step)

    def _in_memory(self, run: Run, panel: str, step: int) -> tuple[int, bytes] | None:
        latest = run.channel.latest.get(panel)
        if latest is not None and latest.step <= step:
            return latest.step, latest.data
        return self.recorder.waiting_frame(run.id, panel, step)

    def _frames_at(self, run: Run, waiting: Mapping[str, tuple[int, bytes] | None], step: int) -> list[bytes]:
        found = []
        for panel, newest in waiting.items():
            kept = self._frame(run.id, run.parent, run.branched_at, panel, step)
            if newest is not None and (kept is None or newest[0] >= kept[0]):
                kept = newest
            if kept is not None:
                found.append(kept[1])
        return found

    def _frame(
        self, run: str, parent: str | None, branched_at: int | None, panel: str, step: int
    ) -> tuple[int, bytes] | None:
        found = self.store.frame(run, panel, step)
        if found is None and parent is not None and branched_at is not None:
            row = self.store.run(parent)
            if row is not None:
                return self._frame(row.id, row.parent, row.branched_at, panel, min(step, branched_at))
        return found

    async def kept(self, run: Run) -> dict[str, Any]:
        """Steps of the recorded pictures and checkpoints, and how many were thinned out."""
        await self.recorder.flush()
        kept = await asyncio.to_thread(self.store.kept, run.id)
        frames: dict[str, list[int]] = {}
        for one in kept:
            if one.panel:
                frames.setdefault(one.panel, []).append(one.step)
        return {
            "frames": frames,
            "checkpoints": [one.step for one in kept if not one.panel],
            "frames_thinned": run.recorded.frames_thinned if run.recorded else 0,
            "checkpoints_thinned": run.recorded.checkpoints_thinned if run.recorded else 0,
        }

    async def plan(self, run: Run, step: int | None) -> tuple[Replay, list[int]]:
        """The replay to `run`'s state after `step` steps, or at its recorded end; and the steps of damaged
        checkpoints, which are skipped. Raises `NotRecorded`, and `BadField` for a step it never took.
        """
        await self.recorder.flush()
        return await asyncio.to_thread(way_back, self.store, run.entry, run.id, step)


def _at_rest(row: RunRow) -> RunRow:
    """The row of a run that is not in memory: "interrupted" if the store could not record its end."""
    if row.status not in ENDED:
        row.status = "interrupted"
    return row
