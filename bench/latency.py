"""How soon a run obeys, and how soon it shows something, against a real server.

From PATCH, or the message over the stream, to the first step with the new value: measured until the
answer is back, which leaves the worker just before that step. It may take the step under way and 5 ms.
From play (the POST that makes a run) to the first picture of its hero, on a warm server: 250 ms.

    python bench/latency.py [--experiment dcgan] [--changes 200] [--plays 20]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

import numpy as np

from descent import wire
from descent.registry import experiments
from served import new_run, served

OBEY, PLAY = 0.005, 0.250  # targets: p95, seconds


def live_number(id: str) -> tuple[str, float]:
    """A live knob of an experiment, a learning rate if it has one, and its default."""
    knobs = experiments()[id].knobs_type
    default = knobs()
    live = [name for name in knobs.model_fields if knobs.is_live(name)]
    numbers = [name for name in live if type(getattr(default, name)) is float]
    name = next(name for name in [*sorted(knobs.rates()), *numbers])
    return name, float(getattr(default, name))


async def obey(address: str, id: str, changes: int) -> tuple[float, list[float], list[float]]:
    """Seconds per step, and from each change to its answer, over REST and over the stream."""
    name, default = live_number(id)
    values = [default * (1 + turn % 10 / 100) for turn in range(changes)]
    by_patch, by_stream = [], []
    async with new_run(address, id, device="cpu") as run:
        await run.ask("POST", "pace", steps_per_second=None)
        async with run.view(experiments()[id].panels) as viewer:
            async with viewer.reading():
                for value in values:
                    await anywhere_within_a_step()
                    begin = time.perf_counter()
                    await run.ask("PATCH", knobs={name: value})
                    by_patch.append(time.perf_counter() - begin)
            for value in values:
                async with viewer.reading():
                    await anywhere_within_a_step()
                begin = time.perf_counter()
                await viewer.send(type="knobs", knobs={name: value})
                await viewer.event("knobs")
                by_stream.append(time.perf_counter() - begin)
        before = (await run.ask("POST", "pause"))["step"]
        await run.ask("POST", "resume")
        begin = time.perf_counter()
        await asyncio.sleep(1)
        after = (await run.ask("POST", "pause"))["step"]
        step = (time.perf_counter() - begin) / (after - before)
    return step, by_patch, by_stream


async def anywhere_within_a_step() -> None:
    """Let some time pass that has nothing to do with the run's steps."""
    await asyncio.sleep(random.uniform(0.005, 0.03))


async def play(address: str, id: str) -> float:
    """Seconds from the POST to the first picture of the hero."""
    hero = next(name for name, panel in experiments()[id].panels.items() if panel.size == "hero")
    begin = time.perf_counter()
    async with new_run(address, id) as run, run.view([hero]) as viewer:
        while not (isinstance(message := await viewer.read(), wire.Frame) and message.panel == hero):
            pass
        return time.perf_counter() - begin


def p95(seconds: list[float]) -> float:
    """The time within which 95 of 100 are done."""
    return float(np.percentile(seconds, 95))


def main() -> int:
    """Measure, print, and say whether every target is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiment", action="append", choices=list(experiments()), help="default: all")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--plays", type=int, default=20)
    options = parser.parse_args()
    met = True
    print(
        f"{'p95, ms':20}{'a step':>10}{'PATCH':>10}{'stream':>10}{'allowed':>10}{'play':>10}{'allowed':>10}"
    )
    with served() as address:
        for id in options.experiment or experiments():
            asyncio.run(play(address, id))  # warms the server up
            step, by_patch, by_stream = asyncio.run(obey(address, id, options.changes))
            plays = [asyncio.run(play(address, id)) for _ in range(options.plays)]
            ok = max(p95(by_patch), p95(by_stream)) <= step + OBEY and p95(plays) <= PLAY
            met &= ok
            figures = (step, p95(by_patch), p95(by_stream), step + OBEY, p95(plays), PLAY)
            print(
                f"{id:20}"
                + "".join(f"{1000 * figure:10.2f}" for figure in figures)
                + ("" if ok else "   MISSED"),
                flush=True,
            )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
