"""What a sweep of 32 learning rates costs against one rate, on `neural-playground`.

    python bench/sweep.py [--rates 32] [--steps 200] [--rounds 7]

Three ratios, each the median over rounds in which both take turns. Served: from the request to the last
frame over REST, from step 2,000 of a finished run. In the engine: preparing and stepping, without process
and wire. To bare steps: the same, against as many steps of one run and nothing else; it has no target.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from statistics import median
from typing import Any

import httpx
import numpy as np
import torch

from descent.engine.build import build
from descent.engine.checkpoint import Checkpointer
from descent.engine.knobs import KnobState
from descent.engine.messages import RunSpec, SweepSpec, Variant
from descent.engine.sweep.sweep import Sweep
from descent.engine.sweep.variants import Stage
from descent.registry import experiments
from served import new_run, served

EXPERIMENT, AT, LIMIT = "neural-playground", 2000, 4.0
ROOM = 1 << 30  # bytes


class Trained:
    """The experiment after `AT` steps."""

    def __init__(self) -> None:
        entry = experiments()[EXPERIMENT]
        values = entry.knobs_type().model_dump(mode="json")
        self.rate = values["lr"]
        self.experiment = build(entry, RunSpec("bench", EXPERIMENT, values, 0, "cpu"), values)
        self.checkpointer = Checkpointer(self.experiment)
        self.knob_state = KnobState(self.experiment, values)
        for _ in range(AT):
            self._step()

    def _step(self) -> None:
        self.experiment.step(self.knob_state.for_next_step())
        self.experiment.step_index += 1

    def bare(self, steps: int) -> float:
        """Seconds of so many steps."""
        with self.checkpointer.rehearsal():
            begin = time.perf_counter()
            for _ in range(steps):
                self._step()
            return time.perf_counter() - begin

    def sweep(self, rates: int, steps: int) -> float:
        """Seconds of a sweep."""
        with self.checkpointer.rehearsal():
            begin = time.perf_counter()
            variants = [Variant({"lr": lr}) for lr in spread(self.rate, rates)]
            bench = Stage(self.experiment, self.checkpointer, self.knob_state)
            made = Sweep(bench, SweepSpec("lr", variants, steps, ROOM))
            made.run(lambda: None, lambda: False)
            spent = time.perf_counter() - begin
        self.knob_state.set({"lr": self.rate})
        return spent


def spread(rate: float, count: int) -> list[float]:
    """Rates around one."""
    found: list[float] = np.geomspace(rate / 100, rate * 100, count).tolist() if count > 1 else [rate]
    return found


async def over_rest(address: str, rates: int, steps: int, rounds: int) -> list[tuple[float, float]]:
    """Seconds of sweeps of many rates and of one, by turns."""
    found = []
    async with new_run(address, EXPERIMENT, device="cpu", max_steps=AT) as run:
        while (await run.ask("GET"))["status"] != "finished":
            await asyncio.sleep(0.2)

        async def seconds(count: int) -> float:
            body: dict[str, Any] = {"values": spread(0.03, count), "steps": steps}
            begin = time.perf_counter()
            async with httpx.AsyncClient(base_url=address, timeout=60) as client:
                answer = await client.post(f"/api/runs/{run.id}/sweep", json=body)
                answer.raise_for_status()
            return time.perf_counter() - begin

        for _ in range(rounds + 1):
            found.append((await seconds(rates), await seconds(1)))
    return found[1:]


def main() -> None:
    """Measure and print; exit status 1 if the target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rates", type=int, default=32)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    trained = Trained()
    trained.sweep(options.rates, 5)  # torch imports and compiles what it needs
    rows = [
        (
            trained.sweep(options.rates, options.steps),
            trained.sweep(1, options.steps),
            trained.bare(options.steps),
        )
        for _ in range(options.rounds)
    ]
    with served() as address:
        answered = asyncio.run(over_rest(address, options.rates, options.steps, options.rounds))
    told = {
        "served": [(many, one) for many, one in answered],
        "in the engine": [(many, one) for many, one, _ in rows],
        "to bare steps": [(many, bare) for many, _, bare in rows],
    }
    missed = False
    for name, pairs in told.items():
        ratio = median(many / one for many, one in pairs)
        many, one = (median(column) * 1e3 for column in zip(*pairs, strict=True))
        judged = name != "to bare steps"
        verdict = f"  ≤ {LIMIT:g}: {'met' if ratio <= LIMIT else 'MISSED'}" if judged else ""
        missed |= judged and ratio > LIMIT
        print(f"{name:14} {options.rates} rates {many:5.0f} ms, one {one:5.0f} ms: {ratio:.2f}{verdict}")
    sys.exit(missed)


if __name__ == "__main__":
    main()
