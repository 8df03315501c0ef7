"""A recorded run in one piece, as it leaves Descent.

A branch begins in its parent's state. To be restored without its parent it needs a checkpoint at that step:
most often its own, which it takes at once. If that one is gone, the parent's record comes along, from its
last checkpoint before, or from its beginning, and so on, as in `History.plan`.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from descent import wire
from descent.contract.entry import Entry
from descent.declared import known
from descent.errors import NotRecorded, UnknownRun
from descent.registry import Registry
from descent.runs.tape import joined
from descent.store.records import Checkpoint
from descent.store.schema import RunRow
from descent.store.store import Store

NEVER = 1 << 62  # beyond any step or `seq`


@dataclass(frozen=True)
class Part:
    """A stretch of one run: its steps from `first` on and before `until`, its events after `since`."""

    row: RunRow
    first: int
    until: int = NEVER
    since: int = -1


class Record:
    """A run's record, from the first state it can be restored from.

    `first`: the step it begins at, with the knobs `began_with`; `whole`: nothing came before; `end`: steps
    taken. `events`: all messages but scalars, their `seq` counted from 1. `steps`, int64 (n,), and
    `columns`, a float32 (n,) by name: its scalars.
    """

    def __init__(self, store: Store, run_id: str, registry: Registry) -> None:
        """Raises `UnknownRun`, and `UnknownExperiment` where this Descent lacks it."""
        row = store.run(run_id)
        if row is None:
            raise UnknownRun(f"there is no recorded run {run_id[:64]!r}", "run")
        self.row = row
        entry = known(registry, row.experiment, row.declared)
        self.entry = registry.find(row.experiment) if entry is None else entry
        self._store = store
        self._parts = _parts(store, self.entry, row)
        oldest = self._parts[0]
        self.first = oldest.first
        self.whole = oldest.row.branched_at is None and oldest.since < 0
        self.began_with: Mapping[str, Any] = oldest.row.began_with
        if oldest.since >= 0:
            checkpoint = _checkpoint(store, oldest.row, oldest.first)
            assert checkpoint is not None, oldest
            self.began_with = checkpoint.knobs
        self.events: list[dict[str, Any]] = []
        self._seqs: list[list[int]] = []  # of each part's events, in the store
        self._last_seq = 0  # later messages of the run are left out
        self.steps, self.columns = joined([frame for part in self._parts for frame in self._listen(part)])
        self.end = max(int(self.steps[-1]) + 1 if len(self.steps) else 0, row.branched_at or 0)

    def _listen(self, part: Part) -> Iterator[wire.Frame]:
        """Note the events of a part; yields its scalars. Of a parent only what led to the branch counts."""
        own = part.row is self.row
        seqs: list[int] = []
        self._seqs.append(seqs)
        for message in self._store.messages(part.row.id):
            self._last_seq = message.seq
            if message.kind == "scalars":
                yield _between(wire.decode(message.data), part)
            elif own or (message.kind == "knobs" and message.seq > part.since and message.step <= part.until):
                seqs.append(message.seq)
                self.events.append({**json.loads(message.data), "seq": len(self.events) + 1})

    def knob_log(self) -> list[tuple[int, Mapping[str, Any]]]:
        """Every change of knobs with its step, the first being the values it began with."""
        changes = [(event["step"], event["knobs"]) for event in self.events if event["type"] == "knobs"]
        return [(self.first, self.began_with), *changes]

    def frames(self) -> Iterator[tuple[str, int, bytes]]:
        """Every picture: its panel, step and frame."""
        seen: set[tuple[str, int]] = set()
        for part in reversed(self._parts):
            for panel, step, data in self._store.frames(part.row.id):
                fits = part.first <= step <= min(part.until, self.end) and panel in self.entry.panels
                if fits and (panel, step) not in seen:
                    seen.add((panel, step))
                    yield panel, step, data

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Every checkpoint; `seq` is that of the last of `events` before it, 0 where there is none."""
        seen: set[int] = set()
        for index, part in reversed(list(enumerate(self._parts))):
            earlier = sum(map(len, self._seqs[:index]))
            last_seq = self._last_seq if part.row is self.row else NEVER
            for found in self._store.checkpoints(part.row.id, min(part.until, self.end)):
                if not isinstance(found, Checkpoint) or found.step < part.first or found.seq > last_seq:
                    continue
                if found.step not in seen:
                    seen.add(found.step)
                    seq = earlier + bisect_right(self._seqs[index], found.seq)
                    yield Checkpoint(found.step, seq, found.knobs, found.data)

    def borrowed(self) -> dict[str, bytes]:
        """What its model begins from, by the recorded run it was taken of."""
        named = {self.row.built_with.get(knob) for knob in self.entry.knobs_type.lenders()}
        return {run: data for run, data in self._store.borrowed(self.row.id).items() if run in named}


def fixed_apart(entry: Entry, one: RunRow, other: RunRow) -> list[str]:
    """The fixed knobs in which the models of two runs differ."""
    return [
        name
        for name in entry.knobs_type.model_fields
        if not entry.knobs_type.is_live(name) and one.built_with.get(name) != other.built_with.get(name)
    ]


def parent_of(store: Store, row: RunRow) -> RunRow:
    """The parent of a branch. Raises `NotRecorded`."""
    parent = store.run(row.parent) if row.parent else None
    if parent is None:
        raise NotRecorded(f"the run that {row.id} was branched from is not recorded here", "run")
    return parent


def _parts(store: Store, entry: Entry, row: RunRow) -> list[Part]:
    """The run preceded by the ancestors needed to replay it; the run alone if they are missing."""
    alone = Part(row, row.branched_at or 0)
    parts = [alone]
    while (begin := parts[0].row.branched_at) is not None:
        if _checkpoint(store, parts[0].row, begin) is not None:
            break
        parent = store.run(parts[0].row.parent or "")
        if parent is None or fixed_apart(entry, parent, row):
            return [alone]
        if (checkpoint := _checkpoint(store, parent, begin)) is not None:
            return [Part(parent, checkpoint.step, begin, checkpoint.seq), *parts]
        parts.insert(0, Part(parent, parent.branched_at or 0, begin))
    return parts


def _checkpoint(store: Store, row: RunRow, step: int) -> Checkpoint | None:
    """The last checkpoint at or before `step` that is not damaged."""
    return next((found for found in store.checkpoints(row.id, step) if isinstance(found, Checkpoint)), None)


def _between(frame: wire.Frame, part: Part) -> wire.Frame:
    """The frame's scalars that belong to the part."""
    steps = frame.arrays["step"]
    inside = (part.first <= steps) & (steps < part.until)
    arrays = {name: values[inside] for name, values in frame.arrays.items()}
    return wire.Frame(frame.type, frame.run, frame.seq, frame.step, arrays)
