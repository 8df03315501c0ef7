"""What being served costs: steps per second under the server against the same `step` in a bare loop.

Three things take turns, round after round, so that whatever else the machine does falls on all of them:
a bare loop in a process of the same fork server, the run in a real server with nobody watching, and the
run with a WebSocket client that watches and acknowledges every panel. Two processes that do exactly the
same differ by some percent, depending on where their memory lies: there are several pairs. A figure is
the median over all rounds of all pairs of the ratio within one round.

    python bench/steps_per_second.py [--experiment dcgan] [--pairs 6] [--rounds 4] [--seconds 0.7]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import torch

from descent.engine.build import build
from descent.engine.messages import RunSpec
from descent.registry import experiments
from descent.settings import Settings
from served import Run, new_run, served

UNWATCHED, WATCHED = 0.98, 0.93  # targets
SETTLE = 0.5  # seconds in which a paused run shows every panel to who has just come


def step_barely(orders: Connection, spec: RunSpec) -> None:
    """Step in a bare loop for as many seconds as each order says; answer with the steps per second."""
    torch.set_num_threads(1)
    entry = experiments()[spec.experiment]
    knobs = entry.knobs_type.model_validate(dict(spec.knobs), strict=False)
    experiment = build(entry, spec, spec.knobs)
    while seconds := orders.recv():
        steps = 0
        begin = time.perf_counter()
        while (spent := time.perf_counter() - begin) < seconds:
            experiment.step(knobs)
            experiment.step_index += 1
            steps += 1
        orders.send(steps / spent)


async def train(run: Run, seconds: float) -> float:
    """Steps per second of a served run between a resume and a pause."""
    before = (await run.ask("POST", "resume"))["step"]
    begin = time.perf_counter()
    await asyncio.sleep(seconds)
    after = (await run.ask("POST", "pause"))["step"]
    return float(after - before) / (time.perf_counter() - begin)


async def measure(
    address: str, id: str, rounds: int, seconds: float, device: str, **knobs: Any
) -> list[list[float]]:
    """For each round the steps per second: bare, unwatched, watched; and the pictures per second then."""
    entry = experiments()[id]
    figures = [list[float]() for _ in range(4)]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["descent.workers.preload"])
    orders, theirs = context.Pipe()
    values = entry.knobs_type.model_validate(knobs, strict=False).model_dump(mode="json")
    data = tuple(map(str, Settings().data_folders))
    spec = RunSpec("bare", id, values, seed=0, device=device, data=data)
    process = context.Process(target=step_barely, args=(theirs, spec), daemon=True)
    process.start()
    async with new_run(address, id, device=device, knobs=knobs) as run:
        await run.ask("POST", "pace", steps_per_second=None)
        await run.ask("POST", "pause")
        for turn in range(rounds + 1):
            orders.send(seconds)
            rates = [await asyncio.to_thread(orders.recv), await train(run, seconds)]
            async with run.view(entry.panels) as viewer, viewer.reading():
                await asyncio.sleep(SETTLE)
                rates.append(await train(run, seconds))
                rates.append(viewer.pictures / (SETTLE + seconds))
            if turn:  # the first round warms up
                for figure, rate in zip(figures, rates, strict=True):
                    figure.append(rate)
    orders.send(0)
    process.join()
    return figures


def main() -> int:
    """Measure, print, and say whether every target is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiment", action="append", choices=list(experiments()), help="default: all")
    parser.add_argument("--pairs", type=int, default=6, help="of a bare process and a run")
    parser.add_argument("--rounds", type=int, default=4, help="with each pair")
    parser.add_argument("--seconds", type=float, default=0.7, help="of each of the three in a round")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    met = True
    print(f"{'':20}{'bare':>12}{'unwatched':>12}{'ratio':>8}{'watched':>12}{'ratio':>8}{'pictures':>10}")
    with served() as address:
        for id in options.experiment or experiments():
            pairs = [
                asyncio.run(measure(address, id, options.rounds, options.seconds, options.device))
                for _ in range(options.pairs)
            ]
            bare, unwatched, watched, pictures = (
                [rate for figure in figures for rate in figure] for figures in zip(*pairs, strict=True)
            )
            alone = median(b / a for a, b in zip(bare, unwatched, strict=True))
            seen = median(b / a for a, b in zip(bare, watched, strict=True))
            ok = alone >= UNWATCHED and seen >= WATCHED
            met &= ok
            print(
                f"{id:20}{median(bare):10.1f}/s{median(unwatched):10.1f}/s{alone:8.3f}"
                f"{median(watched):10.1f}/s{seen:8.3f}{median(pictures):8.0f}/s{'' if ok else '   MISSED'}",
                flush=True,
            )
    print(
        f"medians of {options.pairs} × {options.rounds} rounds; "
        f"targets: unwatched ≥ {UNWATCHED}, watched ≥ {WATCHED}"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
