"""A run's record from its very first step, its parents' part of it too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from descent.errors import UnknownRun
from descent.runs.knobs import completed
from descent.runs.manager import RunManager
from descent.runs.run import Run
from descent.runs.table import NEVER, Piece, Range, said
from descent.tasks import Earned, earned


async def lineage(manager: RunManager, run: Run) -> list[Run]:
    """The run after what it was branched from, the oldest first; none where its beginning is not known, was
    made elsewhere, or is somebody else's.
    """
    found = [run]
    while found[0].branched_at is not None:
        try:
            found.insert(0, await manager.get(found[0].parent or ""))
        except UnknownRun:
            return []
    ours = all(not one.imported and not one.own_loop and one.owner == run.owner for one in found)
    return found if ours else []


def pieces(runs: list[Run], last: int = NEVER) -> Iterator[Piece]:
    """The scalars of a lineage up to the step `last`. Reads from disk."""
    for one, until in _until(runs):
        yield from said(one.channel.tape, Range(last=min(last, until - 1)))


def knobs_of(runs: list[Run]) -> list[tuple[int, dict[str, Any]]]:
    """The knobs of a lineage as they were from each step on."""
    return [(step, knobs) for one, until in _until(runs) for step, knobs in one.knob_log if step < until]


def _until(runs: list[Run]) -> Iterator[tuple[Run, int]]:
    """Each run of a lineage with the step at which the next one was branched."""
    return zip(runs, [*(one.branched_at or 0 for one in runs[1:]), NEVER], strict=True)


async def challenges_done(manager: RunManager, run: Run) -> dict[str, Earned]:
    """The challenges of its experiment that a run has done, by their ids."""
    challenges = run.entry.challenges
    runs = await lineage(manager, run) if challenges else []
    if not runs:
        return {}
    log = [(step, completed(run.entry, knobs)) for step, knobs in knobs_of(runs)]
    last = max(challenge.within[0] for challenge in challenges.values())

    def found() -> dict[str, Earned]:
        record = list(pieces(runs, last))
        return {id: one for id, challenge in challenges.items() if (one := earned(challenge, record, log))}

    return await asyncio.to_thread(found)
