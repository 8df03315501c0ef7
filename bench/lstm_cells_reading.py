"""How well does the LSTM read after a minute, and how soon does a cell track quotes?

Trains the experiment by its own `step` in a plain loop: on Python source with the defaults, then on generated
text with quotes and brackets. Exits 1 unless the held-out bits per character of the first fall below 1.9 and
one cell of the second tells quoted characters from others with an AUC of 0.95. Says what a step and each
panel's look cost.

    python bench/lstm_cells_reading.py [--seconds 60] [--threads 1] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from descent.contract.panels import Ranking, panels_of
from descent.engine.observe import look
from descent.experiments.sequence.lstm_cells import CellKnobs, LSTMCells

BITS, AUC = 1.9, 0.95
ROUNDS = 6  # reports while training


def train(knobs: CellKnobs, seconds: float, seed: int) -> tuple[LSTMCells, float, float]:
    """The experiment after `seconds` of steps, its held-out bits, and the best cell's AUC."""
    experiment = LSTMCells(seed, torch.device("cpu"))
    torch.manual_seed(seed)
    experiment.build(knobs)
    spent, held_out, best = 0.0, float("nan"), float("nan")
    for part in range(1, ROUNDS + 1):
        while spent < seconds * part / ROUNDS:
            start = time.perf_counter()
            row = experiment.step(knobs)
            spent += time.perf_counter() - start
            experiment.step_index += 1
            held_out = float(row.get("bits/held-out", held_out))
        table = look(experiment, knobs, "cells")
        assert isinstance(table, Ranking)
        *cells, whole = torch.as_tensor(table.values).tolist()
        r, best = (max(column) for column in zip(*cells, strict=True))
        print(
            f"{spent:5.1f} s  step {experiment.step_index:5}  held out {held_out:.2f} bits  "
            f"best cell |r| {r:.2f} AUC {best:.3f}  read-out |r| {whole[0]:.2f} AUC {whole[1]:.3f}",
            flush=True,
        )
    return experiment, held_out, best


def costs(experiment: LSTMCells, knobs: CellKnobs) -> None:
    """Print the milliseconds a look at each panel takes."""
    for name, panel in panels_of(LSTMCells).items():
        if panel.kind == "scalars":
            continue
        look(experiment, knobs, name)
        start = time.perf_counter()
        for _ in range(5):
            look(experiment, knobs, name)
        print(f"look         {name}: {(time.perf_counter() - start) / 5 * 1e3:.1f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description="How well does the LSTM read after a minute?")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=1, help="1, as a run under the server has")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    python, brackets = CellKnobs(), CellKnobs(corpus="brackets", feature="quotes")
    print("Python source")
    experiment, held_out, _ = train(python, arguments.seconds, arguments.seed)
    print(f"step         {arguments.seconds / experiment.step_index * 1e3:.1f} ms")
    costs(experiment, python)
    print("quotes and brackets")
    _, _, best = train(brackets, arguments.seconds, arguments.seed)
    print(f"bits         {held_out:.2f} on held-out Python source (target: below {BITS})")
    print(f"cell         AUC {best:.3f} for quotes (target {AUC})")
    return 0 if held_out < BITS and best >= AUC else 1


if __name__ == "__main__":
    sys.exit(main())
