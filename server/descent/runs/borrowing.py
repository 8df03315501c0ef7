"""Finds the recorded runs that knobs name, and takes what is borrowed of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from descent.contract.entry import Entry
from descent.engine.borrowed import Borrowed, Origin, packed
from descent.engine.knobs import apart
from descent.errors import BadKnob
from descent.protocol import LAST_STEP
from descent.runs.history import History
from descent.store.records import Checkpoint


def missing(entry: Entry, knobs: Mapping[str, Any], have: Mapping[str, Any]) -> dict[str, str]:
    """The knobs that name a run which is not among those borrowed of."""
    asked = {name: knobs.get(name) for name in entry.knobs_type.lenders()}  # an old run may lack one
    return {name: run for name, run in asked.items() if run and run not in have}


async def borrow(
    history: History | None, entry: Entry, knobs: Mapping[str, Any], have: Mapping[str, Borrowed]
) -> dict[str, Borrowed]:
    """What a run with these knobs borrows, by the run it is taken of: `have`, and what is missing of it.

    Raises `BadKnob` where a run is not there, is of another experiment, or has no weights to lend.
    """
    found = dict(have)
    for knob, run in missing(entry, knobs, have).items():
        if history is None:
            raise no_run(knob, run)
        await history.recorder.flush()
        found[run] = await asyncio.to_thread(_taken, history, knob, run, entry.knobs_type.lenders()[knob])
    return found


def no_run(knob: str, run: str) -> BadKnob:
    """The error for a run that is not recorded here."""
    run = run[:64]
    return BadKnob(
        f"{knob}: there is no recorded run {run!r}; choose another", knob, reason="no-run", run=run
    )


def _taken(history: History, knob: str, run: str, experiment: str) -> Borrowed:
    row = history.store.run(run)
    if row is None:
        raise no_run(knob, run)
    if row.experiment != experiment:
        raise BadKnob(
            f"{knob}: run {run} is of {row.experiment}; choose one of {experiment}",
            knob,
            reason="other-run",
            run=run,
            experiment=row.experiment,
            wanted=experiment,
        )
    checkpoints = history.store.checkpoints(run, LAST_STEP)
    last = next((found for found in checkpoints if isinstance(found, Checkpoint)), None)
    if last is None:
        raise BadKnob(
            f"{knob}: run {run} has no checkpoint yet; let it train for a second", knob, reason="no-weights"
        )
    origin = Origin(
        experiment=experiment,
        knobs=apart(row.built_with)[0],
        seed=row.seed,
        streams=row.streams,
        step=last.step,
    )
    try:
        data = packed(last.data, origin)
    except ValueError as error:
        raise BadKnob(
            f"{knob}: nothing can be taken of run {run}: {error}", knob, reason="bad-run", cause=str(error)
        ) from error
    return Borrowed(history.registry.find(experiment).cls, data)
