"""What a Ray cluster of two nodes on this machine costs, and how soon its losses are noticed.

    python tests/ray_cluster.py python bench/on_ray.py [--runs 10] [--kills 20]

Seconds to a run's first scalars and picture, the first run after the server came and later ones; a command's
way there and back; and how long after a kill the run is told to be gone. The cluster is broken at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray_cluster
from descent.engine.messages import Control, PanelFrame, Reply, RunSpec, ScalarsFrame
from descent.registry import experiments
from descent.workers.executor import Executor, Worker
from descent.workers.on_ray.executor import RayExecutor
from descent.workers.process import LocalExecutor

EXPERIMENT = "neural-playground"
NODES = ("raylet/raylet", "second")  # in the command line of the second node's own process
COMMANDS = 200


@dataclass
class Trial:
    """One run: what came of it, and when."""

    began: float = field(default_factory=time.perf_counter)
    worker: Worker | None = None
    scalars: float = 0.0
    picture: float = 0.0
    cause: str | None = None
    replies: dict[int, float] = field(default_factory=dict)

    def deliver(self, output: Any) -> None:
        """Note when something first came."""
        now = time.perf_counter()
        match output:
            case ScalarsFrame():
                self.scalars = self.scalars or now - self.began
            case PanelFrame():
                self.picture = self.picture or now - self.began
            case Reply(reply_to=number):
                self.replies[number] = now

    def ended(self, cause: str) -> None:
        """Note that the worker is gone."""
        self.cause = cause


async def until(true: Callable[[], object], within: float = 60.0) -> float:
    """Wait until something holds; returns the seconds."""
    began = time.perf_counter()
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.001)
    return time.perf_counter() - began


@contextlib.asynccontextmanager
async def trial(executor: Executor) -> AsyncIterator[Trial]:
    """A run that trains and shows something, ended afterwards."""
    made = experiments()[EXPERIMENT]
    knobs = made.knobs_type().model_dump(mode="json")
    one = Trial()
    spec = RunSpec("run", EXPERIMENT, knobs, 0, "cpu", watch=tuple(made.panels)[:1])
    one.worker = await executor.start(spec, one.deliver, one.ended)
    await until(lambda: (one.scalars and one.picture) or one.cause)
    assert one.cause is None, one.cause
    yield one
    one.worker.kill()
    if isinstance(executor, LocalExecutor) or one.cause is None:
        await until(lambda: one.cause is not None)


async def starts(executor: Executor, runs: int, pause: float) -> str:
    """First and later runs: seconds to scalars and picture."""
    took = []
    for _ in range(runs + 1):
        async with trial(executor) as one:
            took.append(max(one.scalars, one.picture))
        await asyncio.sleep(pause)
    later = sorted(took[1:])
    return f"first {took[0]:.2f}, later {later[0]:.2f} / {statistics.median(later):.2f} / {later[-1]:.2f}"


async def obeyed(executor: Executor) -> str:
    """Milliseconds until a command is answered."""
    took = []
    async with trial(executor) as one:
        assert one.worker is not None
        for number in range(COMMANDS):
            await asyncio.sleep(0.005)
            began = time.perf_counter()
            one.worker.send(Control("pace", {"steps_per_second": None}, number))
            await until(lambda number=number: number in one.replies)
            took.append(one.replies[number] - began)
    took.sort()
    return f"{1000 * statistics.median(took):.1f} ms, p95 {1000 * took[int(0.95 * len(took))]:.1f} ms"


def tree(pid: int) -> list[int]:
    """A process and all that came of it."""
    found = [pid]
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(file.read_text().rpartition(")")[2].split()[1]) == pid:
                found += tree(int(file.parent.name))
    return found


async def noticed(executor: Executor, kill: Callable[[], Iterable[int]]) -> float:
    """Seconds from the kill of some processes until the run's end is told."""
    async with trial(executor) as one:
        for pid in kill():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return await until(lambda: one.cause is not None)


async def on_the_second(executor: Executor, kill: Callable[[int], Iterable[int]], make: bool) -> float:
    """The same, of a run that can only be on the second node: another one holds the first."""
    if make:
        ray_cluster.start(f"--address={ray_cluster.ADDRESS}", "--num-cpus=1", '--resources={"second": 1}')
        await asyncio.sleep(5)
    (node,) = ray_cluster.processes(*NODES)
    async with trial(executor) as first, trial(executor) as other:
        for pid in kill(node):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return await until(lambda: first.cause is not None or other.cause is not None)


async def main() -> int:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="later runs")
    parser.add_argument("--kills", type=int, default=20, help="actors killed")
    asked = parser.parse_args()
    if ray_cluster.INSIDE not in os.environ:
        raise SystemExit(__doc__)
    print(f"load average {os.getloadavg()[0]:.1f}, seconds (least / median / most), {EXPERIMENT}")
    here, there = LocalExecutor(), RayExecutor(ray_cluster.ADDRESS)
    here.warm_up()
    there.warm_up()
    await asyncio.sleep(25)  # both have loaded torch
    print("run here:   ", await starts(here, asked.runs, 0.5))
    print("run on Ray: ", await starts(there, asked.runs, 2))
    print("at once:    ", await starts(there, asked.runs, 0))
    print("command here:  ", await obeyed(here))
    print("command on Ray:", await obeyed(there))
    chance = random.Random(1)
    took = []
    for _ in range(asked.kills):
        await asyncio.sleep(chance.random())
        took.append(await noticed(there, lambda: ray_cluster.processes("ray::RunActor")))
    took.sort()
    print(f"killed actor: {took[0]:.2f} / {statistics.median(took):.2f} / {took[-1]:.2f}")
    print(f"killed raylet alone: {await on_the_second(there, lambda node: [node], False):.2f}", flush=True)
    print(f"killed node: {await on_the_second(there, tree, True):.2f}", flush=True)
    print(f"lost head: {await noticed(there, lambda: ray_cluster.processes('gcs_server')):.2f}", flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")
    there.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
