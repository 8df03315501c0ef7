"""How soon does the Transformer reverse words and read dates it was never trained on?

Trains the experiment by its own `step` in a plain loop with the default knobs, and stops each task as soon as
it is there. Exits 1 unless `reverse` has 99 % of the tokens right within 60 s and `dates` 98 % of the whole
outputs within 180 s. Also tells what a step and each panel take.

    python bench/transformer_accuracy.py [--threads 1] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from descent.contract.panels import panels_of
from descent.experiments.attention.transformer import TransformerExperiment, TransformerKnobs

TARGETS = {"reverse": ("acc/token", 0.99, 60), "dates": ("acc/sequence", 0.98, 180)}
LOOKS = 10  # pictures per panel whose mean is taken


def train(task: str, seed: int) -> bool:
    """Train on `task` until its target is met or its time is over, and say how it went."""
    name, target, limit = TARGETS[task]
    knobs = TransformerKnobs.model_validate({"task": task})
    experiment = TransformerExperiment(seed, torch.device("cpu"))
    torch.manual_seed(seed)
    experiment.build(knobs)
    reached, seconds, start = 0.0, 0.0, time.perf_counter()
    while reached < target and seconds < limit:
        reached = float(experiment.step(knobs).get(name, reached))
        experiment.step_index += 1
        seconds = time.perf_counter() - start
    print(
        f"{task:12} {name} {reached:.1%} (target {target:.0%}) after {seconds:.0f} s (at most {limit}), "
        f"{experiment.step_index} steps of {1000 * seconds / experiment.step_index:.1f} ms"
    )

    experiment.model.eval()
    for panel in panels_of(TransformerExperiment).values():
        if panel.kind != "scalars":
            start = time.perf_counter()
            with torch.no_grad():
                for _ in range(LOOKS):
                    getattr(experiment, panel.name)(knobs)
            print(f"{'':12} {panel.name:20} {1000 * (time.perf_counter() - start) / LOOKS:5.1f} ms")
    return reached >= target


def main() -> int:
    parser = argparse.ArgumentParser(description="How soon does the Transformer get there?")
    parser.add_argument("--threads", type=int, default=1, help="1, as a run under the server has")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    met = [train(task, arguments.seed) for task in TARGETS]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
