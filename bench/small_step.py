"""A step of `neural-playground` on one thread, with gradients traced and not, in turns.

The two are the same experiment from the same seed; that they come to the same weights is checked to the bit.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from descent.experiments.training.neural_playground import NeuralPlayground, PlaygroundKnobs
from descent.kit.nn import traced

GOAL = 400  # epochs/s: of a page; TensorFlow Playground makes 41
NEVER = 1 << 62


def begun(knobs: PlaygroundKnobs) -> NeuralPlayground:
    """The experiment before its first step."""
    torch.manual_seed(0)
    experiment = NeuralPlayground(0, torch.device("cpu"))
    experiment.build(knobs)
    return experiment


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=2000, help="of a round")
    options = parser.parse_args()
    torch.set_num_threads(1)
    knobs = PlaygroundKnobs()
    steady = {"as ever": NEVER, "traced": traced.STEADY}
    runs = {name: begun(knobs) for name in steady}
    took: dict[str, list[float]] = {name: [] for name in steady}
    for i in range(options.rounds + 1):
        for name, run in runs.items():
            traced.STEADY = steady[name]
            begin = time.perf_counter()
            for _ in range(options.steps):
                run.step(knobs)
                run.step_index += 1
            if i:  # the first round warms up
                took[name].append((time.perf_counter() - begin) / options.steps)
    a, b = ([*run.model.parameters()] for run in runs.values())
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True)), "the same weights"
    per_epoch = runs["traced"].steps_per_epoch(knobs)
    for name, times in took.items():
        step = statistics.median(times)
        print(f"{name:8} {1e6 * step:6.1f} µs a step, {1 / step / per_epoch:5.0f} epochs/s of {GOAL}")
    faster = statistics.median(x / y for x, y in zip(*took.values(), strict=True))
    print(f"traced is {faster:.2f} times as fast")


if __name__ == "__main__":
    main()
