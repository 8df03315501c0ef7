"""How soon does gan-2d find the modes of a ring of eight?

Trains the experiment by its own `step` in a plain loop, with the defaults and with each preset on that ring,
and prints after how many seconds and steps 7 of 8 modes were found, and for how much of the second half of
the time they were. Exits 1 unless the best of them finds 7 within the time at every seed.

    python bench/gan_2d_modes.py [--seconds 30] [--seeds 3]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import Any

import torch

from descent.experiments.generative.gan_2d import MEASURED_EVERY, Gan2d, GanKnobs

WANTED = 7  # modes of 8


def found(values: Mapping[str, Any], seed: int, seconds: float) -> tuple[float, int, float]:
    """Seconds and steps until `WANTED` modes are found, ∞ and −1 if never; later: how often."""
    knobs = GanKnobs(**values)
    torch.manual_seed(seed)
    experiment = Gan2d(seed, torch.device("cpu"))
    experiment.build(knobs)
    when, at, later = float("inf"), -1, []
    begin = time.perf_counter()
    while (spent := time.perf_counter() - begin) < seconds:
        row = experiment.step(knobs)
        if experiment.step_index % MEASURED_EVERY == 0:
            enough = int(row["modes"]) >= WANTED
            if enough and at < 0:
                when, at = spent, experiment.step_index
            if spent > seconds / 2:
                later.append(enough)
        experiment.step_index += 1
    return when, at, sum(later) / max(1, len(later))


def main() -> None:
    """Measure, print a line for each, and exit with 1 below the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    presets = {"defaults": {}, **{name: preset.knobs for name, preset in Gan2d.presets.items()}}
    slowest = {}
    for name, values in presets.items():
        if "distribution" in values:
            continue
        runs = [found(values, seed, arguments.seconds) for seed in range(arguments.seeds)]
        slowest[name] = max(when for when, _, _ in runs)
        told = ", ".join(f"{when:.1f} s (step {at}; kept {kept:.0%})" for when, at, kept in runs)
        print(f"{name}: {WANTED} of 8 modes after {told}", flush=True)
    sys.exit(min(slowest.values()) > arguments.seconds)


if __name__ == "__main__":
    main()
