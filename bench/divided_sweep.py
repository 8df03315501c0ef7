"""What a sweep of 32 values takes in one worker and divided among more, each a process of this machine.

    python bench/divided_sweep.py [--workers 2] [--steps 200] [--rounds 3]

Where all variants go in one batched step, nothing is divided: there the two are a sweep and two sweeps of
half of its values at the same time, to see what dividing it would gain. What differs between the curves of
the two is told, as a share of the loss. Seconds by the clock, and of a core's time of the worker that took
most, which is what it takes where each has a core of its own; medians of rounds in which both take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from descent import wire
from descent.engine.messages import Output, Replay, RunSpec, SweepSpec, Variant
from descent.registry import experiments
from descent.runs.swept import frames_of
from descent.workers.executor import Room
from descent.workers.process import LocalExecutor, LocalWorker

CASES = [  # experiment, knob, lowest and highest value, other settings
    ("neural-playground", "lr", 0.003, 0.06, {}),
    ("diffusion", "lr", 0.0003, 0.006, {}),
    ("neural-playground", "lr", 0.003, 0.06, {"dropout": 0.2}),
    ("gan-2d", "lr_d", 0.0003, 0.006, {}),
    ("convolution", "lr", 0.003, 0.06, {}),
]
COUNT, AT, ROOM_FOR = 32, 20, 1 << 30


class Wide(LocalExecutor):
    """Has room for some workers, which begin at once."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._workers = workers
        self._spent: dict[int, float] = {}  # by process, seconds of a core's time

    async def room(self, device: str, cores: int = 1) -> Room:
        return Room(self._workers)

    async def start(
        self, spec: RunSpec, deliver: Callable[[Output], None], ended: Callable[[str], None]
    ) -> LocalWorker:
        def heard(output: Output) -> None:
            self._look()
            deliver(output)

        worker = await super().start(spec, heard, ended)
        assert worker.pid is not None
        self._spent[worker.pid] = 0.0
        return worker

    def _look(self) -> None:
        for pid in self._spent:
            with contextlib.suppress(OSError):  # it has ended
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                self._spent[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def most(self) -> float:
        """Of all workers' times the longest."""
        return max(self._spent.values())


Spent = tuple[float, float]  # seconds by the clock, and of a core


async def swept(spec: RunSpec, order: SweepSpec, workers: int) -> tuple[Spent, wire.Frame]:
    """What a sweep took, and its last frame."""
    executor = Wide(workers)
    begin = time.perf_counter()
    *_, last = [frame async for frame in frames_of(executor, spec, order)]
    return (time.perf_counter() - begin, executor.most), wire.decode(last)


async def parted(spec: RunSpec, order: SweepSpec, workers: int) -> tuple[Spent, np.ndarray]:
    """What several sweeps at the same time took, and their losses."""
    parts = [order.variants[i * COUNT // workers : (i + 1) * COUNT // workers] for i in range(workers)]
    begin = time.perf_counter()
    found = await asyncio.gather(*(swept(spec, replace(order, variants=part), 1) for part in parts))
    spent = time.perf_counter() - begin, max(core for (_, core), _ in found)
    return spent, np.concatenate([frame.arrays["losses"] for _, frame in found], 1)


async def measure(steps: int, workers: int, rounds: int) -> None:
    """Measure and print."""
    for experiment, knob, low, high, knobs in CASES:
        entry = experiments()[experiment]
        built = entry.knobs_type(**knobs).model_dump(mode="json")
        spec = RunSpec("bench", experiment, built, 0, "cpu", replay=Replay(AT, {}))
        values = np.geomspace(low, high, COUNT).tolist()
        order = SweepSpec(knob, [Variant({knob: value}) for value in values], steps, ROOM_FOR)
        rows, apart = [], 0.0
        for _ in range(rounds):
            alone, whole = await swept(spec, order, 1)
            losses = whole.arrays["losses"]
            batched = (whole.meta or {})["batched"] == COUNT
            if batched:
                divided, others = await parted(spec, order, workers)
            else:
                divided, frame = await swept(spec, order, workers)
                others = frame.arrays["losses"]
            rows.append((*alone, *divided))
            apart = max(apart, float(np.nanmax(np.abs(losses - others) / np.abs(losses))))
        clock, core, clocks, cores = (median(column) for column in zip(*rows, strict=True))
        told = " ".join([experiment, *(f"{name}={value}" for name, value in knobs.items())])
        kind = "batched" if batched else "by steps"
        print(
            f"{told:30} {kind:8} one worker {clock:5.2f} s ({core:5.2f} of a core), "
            f"{workers} {clocks:5.2f} s ({cores:5.2f}): apart by {apart:.0e}",
            flush=True,
        )


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(measure(options.steps, options.workers, options.rounds))


if __name__ == "__main__":
    main()
