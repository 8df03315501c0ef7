"""Break it, and go back: what is said when a learning rate is dragged to its right end, and what the way back
that is offered brings.

For each experiment a run learns for a while, its rate is dragged to the right end in half a second, left
there until eight seconds are over, and dragged back. Told: the seconds from the beginning of the drag to the
first word, what was said, and the main loss 10 s after going on from the step and with the knobs that were
offered, beside the loss before the drag.

    python bench/rescue.py [--only ID …] [--warm 8] [--seed 0]
"""

from __future__ import annotations

import argparse
import math
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from descent import wire
from descent.contract.entry import Entry
from descent.engine.inbox import Inbox
from descent.engine.loop import Loop
from descent.engine.messages import Control, Event, Output, Replay, RunSpec, ScalarsFrame
from descent.registry import experiments

DRAG, MOVES, HELD, AFTER = 0.5, 15, 8.0, 10.0  # seconds; how often a drag sends
WARM = {"transformer": 25.0, "lstm-cells": 15.0, "moving-average": 12.0}  # seconds until it has learnt
RATES = {"dcgan": "lr_g", "moving-average": "beta", "search": "rate_low"}  # the others have `lr`


class Watched:
    """One run in a thread, watched as the page does."""

    def __init__(
        self, entry: Entry, seed: int, knobs: Mapping[str, Any], replay: Replay | None = None
    ) -> None:
        heroes = tuple(name for name, panel in entry.panels.items() if panel.size == "hero")
        spec = RunSpec("run", entry.id, knobs, seed, "cpu", pace=entry.cls.pace, watch=heroes, replay=replay)
        self.said: list[tuple[float, Mapping[str, Any]]] = []
        self.values: dict[str, list[float]] = {}
        self.changes: list[tuple[int, Mapping[str, Any]]] = []
        self._inbox = Inbox()
        self._spec, self._entry = spec, entry
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        Loop(self._entry, self._spec, self._inbox, self._hear).run()

    def _hear(self, output: Output) -> None:
        if isinstance(output, ScalarsFrame):
            for name, values in wire.decode(output.payload).arrays.items():
                self.values.setdefault(name, []).extend(v for v in values.tolist() if v == v)
        elif isinstance(output, Event) and output.event["type"] == "diagnosis":
            self.said.append((time.perf_counter(), output.event))
        elif isinstance(output, Event) and output.event["type"] == "knobs":
            self.changes.append((output.step, output.event["knobs"]))

    def begun(self) -> Watched:
        """Itself, once its first scalars are here."""
        while not self.values and self._thread.is_alive():
            time.sleep(0.01)
        return self

    def set(self, **knobs: Any) -> None:
        self._inbox.put(Control("knobs", {"knobs": knobs}))

    def end(self) -> None:
        self._inbox.put(Control("stop"))
        self._thread.join()

    def level(self, scalar: str) -> float:
        """The median of the last values; NaN where there is none."""
        return statistics.median(self.values.get(scalar, [])[-50:] or [math.nan])


def drag(run: Watched, knob: str, start: float, end: float) -> None:
    """In steps, evenly on a logarithmic axis."""
    for move in range(1, MOVES + 1):
        run.set(**{knob: end if move == MOVES else start * (end / start) ** (move / MOVES)})
        time.sleep(DRAG / MOVES)


def rescued(entry: Entry, seed: int, warm: float) -> str:
    """One row of the table."""
    knobs = entry.cls.knobs_type().model_dump(mode="json")
    knob = RATES.get(entry.id, "lr")
    normal, largest = knobs[knob], entry.cls.knobs_type.model_json_schema()["properties"][knob]["maximum"]
    run = Watched(entry, seed, knobs).begun()
    time.sleep(WARM.get(entry.id, warm))
    measures = entry.cls.measures
    scalar = next(name for name, measure in measures.items() if measure.kind == "loss")
    before, early = run.level(scalar), len(run.said)
    begin = time.perf_counter()
    drag(run, knob, normal, largest)
    time.sleep(max(0.0, begin + HELD - time.perf_counter()))
    broken = run.level(scalar)
    drag(run, knob, largest, normal)
    time.sleep(1.0)
    run.end()
    said = run.said[early:]
    words = [f"{event['code']} {at - begin:.1f}" for at, event in said]
    back = next((event["params"]["back"] for _, event in said if "back" in event["params"]), None)
    after, then = math.nan, []
    if back is not None:
        changes = [change for change in run.changes if change[0] <= back["step"]]
        live = {name: value for name, value in knobs.items() if entry.cls.knobs_type.is_live(name)}
        replay = Replay(back["step"], live, changes=changes, override=back["knobs"])
        branch = Watched(entry, seed, knobs, replay)
        branch.begun()  # going back takes the steps again
        time.sleep(AFTER)
        branch.end()
        after, then = branch.level(scalar), [event["code"] for _, event in branch.said]
    first = f"{said[0][0] - begin:.1f}" if said else "–"
    extra = f" · before: {[event['code'] for _, event in run.said[:early]]}" if early else ""
    extra += f" · after: {then}" if then else ""
    return (
        f"| {entry.id} | {knob} → {largest:g} | {first} | {', '.join(words)}{extra} | {scalar} "
        f"| {before:.3g} | {broken:.3g} | {after:.3g} | {back and back['step']} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(experiments()))
    parser.add_argument("--warm", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for id in options.only:
        entry = experiments()[id]
        print(rescued(entry, options.seed, options.warm), flush=True)


if __name__ == "__main__":
    main()
