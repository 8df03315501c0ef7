"""A step of the small experiments on one thread, with gradients traced and not, in turns.

The two are the same experiment from the same seed; that they come to the same weights is checked to the bit.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from descent.contract import Experiment
from descent.engine.observe import modules_of
from descent.kit.nn import traced
from descent.registry import experiments

GOAL = 400  # epochs/s of neural-playground: of a page; TensorFlow Playground makes 41
SMALL = [
    "neural-playground",
    "mlp-digits",
    "activations",
    "initialisation",
    "losses",
    "ensembles",
    "rnn",
    "next-word",
    "schedules",
    "regularisation",
    "autoencoder",
    "gan-2d",
    "diffusion",
]
NEVER = 1 << 62


def begun(cls: type[Experiment[Any]], knobs: Any) -> Experiment[Any]:
    """The experiment before its first step."""
    torch.manual_seed(0)
    experiment = cls(0, torch.device("cpu"))
    experiment.build(knobs)
    return experiment


def weights(experiment: Experiment[Any]) -> list[torch.Tensor]:
    """All its parameters."""
    return [parameter for module in modules_of(experiment) for parameter in module.parameters()]


def measure(id: str, rounds: int, seconds: float) -> None:
    """Take steps in turns, and print what one takes."""
    cls = experiments()[id].cls
    knobs = cls.knobs_type()
    steady = {"as ever": NEVER, "traced": traced.STEADY}
    runs = {name: begun(cls, knobs) for name in steady}
    took: dict[str, list[float]] = {name: [] for name in steady}
    steps = 2 * traced.STEADY  # in the first round, which warms up
    for i in range(rounds + 1):
        for name, run in runs.items():
            traced.STEADY = steady[name]
            begin = time.perf_counter()
            for _ in range(steps):
                run.step(knobs)
                run.step_index += 1
            took[name].append((time.perf_counter() - begin) / steps)
        if not i:
            steps = max(10, int(seconds / took["as ever"].pop()))
            took["traced"].clear()
    traced.STEADY = steady["traced"]
    same = all(torch.equal(a, b) for a, b in zip(*map(weights, runs.values()), strict=True))
    assert same, "the same weights"
    before, after = (1e6 * statistics.median(times) for times in took.values())
    faster = statistics.median(x / y for x, y in zip(*took.values(), strict=True))
    line = f"{id:18} {before:7.1f} → {after:7.1f} µs a step, {faster:.2f} times as fast"
    if id == SMALL[0]:
        per_epoch = runs["traced"].steps_per_epoch(knobs)
        line += f"; {1e6 / after / per_epoch:.0f} epochs/s, goal {GOAL}"
    print(line)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", choices=SMALL, nargs="*", default=SMALL)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a round")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for id in options.experiment:
        measure(id, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
