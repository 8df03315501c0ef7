"""The way back to what a recorded run was at a step: its last checkpoint before, and what came since."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from descent import errors
from descent.contract.entry import Entry
from descent.engine.borrowed import Borrowed, unpacked
from descent.engine.knobs import KEY, merged
from descent.engine.messages import Replay
from descent.registry import Registry
from descent.runs.run import need_code
from descent.store.packing import DamagedError
from descent.store.records import Checkpoint
from descent.store.schema import RunRow
from descent.store.store import Store

Values = Mapping[str, Any]

logger = logging.getLogger(__name__)


def way_back(store: Store, entry: Entry, run_id: str, step: int | None) -> tuple[Replay, list[int]]:
    """The replay to a run's state after `step` steps, or at its recorded end; and the steps of damaged
    checkpoints, which are skipped. Raises `NotRecorded`, `CodeChanged`, and `BadField` for a step that it
    never took.
    """
    row = store.run(run_id)
    if row is None:
        raise errors.NotRecorded(f"run {run_id} is not recorded", "run")
    need_code(entry, row)
    last = max(store.last_step(run_id) + 1, row.branched_at or 0)
    step = last if step is None else step
    first = row.branched_at or 0
    if not first <= step <= last:
        raise errors.BadField(
            f"step: run {run_id} has the steps {first} to {last} (given: {step})",
            "step",
            reason="out-of-range",
            first=first,
            last=last,
        )
    damaged: list[int] = []
    return _way(store, entry, row, step, damaged), damaged


def borrowed_by(store: Store, registry: Registry, run_id: str) -> dict[str, Borrowed]:
    """What a recorded run has borrowed, by the run it was taken of; nothing where that is damaged."""
    try:
        return {
            run: Borrowed(registry.find(unpacked(data)[0].experiment).cls, data)
            for run, data in store.borrowed(run_id).items()
        }
    except ValueError as error:  # it can be looked at, and says why it cannot go on
        logger.warning("what run %s has borrowed is damaged: %s", run_id, error)
        return {}


def _way(store: Store, entry: Entry, row: RunRow, step: int, damaged: list[int]) -> Replay:
    checkpoint: Checkpoint | None = None
    for found in store.checkpoints(row.id, step):
        if isinstance(found, Checkpoint):
            checkpoint = found
            break
        damaged.append(found)
    try:
        changes = store.changes(row.id, checkpoint.seq if checkpoint else -1, step)
    except DamagedError as error:
        raise errors.NotRecorded(
            f"what is recorded of how run {row.id}'s knobs were changed before step {step} is damaged", "run"
        ) from error
    if checkpoint is not None:
        return Replay(step, _live(entry, checkpoint.knobs), checkpoint.step, checkpoint.data, changes)
    if row.branched_at is None:
        return Replay(step, _live(entry, row.built_with), changes=changes)
    parent = store.run(row.parent) if row.parent else None
    if parent is None:
        raise errors.NotRecorded(
            f"the run that {row.id} was branched from is deleted, and no checkpoint is left", "run"
        )
    base = _way(store, entry, parent, row.branched_at, damaged)
    if parent.built_with != row.built_with:
        return Replay(step, {}, changes=changes, origin=(parent.built_with, base))
    return replace(base, until=step, changes=[*base.changes, *changes])


def _live(entry: Entry, knobs: Values) -> Values:
    """The live knobs, which may have changed since the model was built, and their schedules."""
    known = entry.knobs_type
    return {
        name: value
        for name, value in knobs.items()
        if name == KEY or (name in known.model_fields and known.is_live(name))
    }


def knobs_after(built_with: Values, replay: Replay) -> dict[str, Any]:
    """The knobs a run has where `replay` ends, before its override."""
    knobs = {**built_with, **replay.knobs}
    if replay.origin is not None:
        others, earlier = replay.origin
        rebuilt = {name: value for name, value in built_with.items() if value != others.get(name)}
        knobs = {**knobs_after(others, earlier), **rebuilt}
    for _, values in replay.changes:
        knobs = merged(knobs, values)
    return knobs
