"""What recording costs: steps per second of a recorded run against one that is not, nobody watching.

Two servers, one with the setting RECORD off, train the same in turns, round after round, so that whatever
else the machine does falls on both. Two processes that do exactly the same differ by some percent,
depending on where their memory lies: there are several pairs. A figure is the median over all rounds of all
pairs of the ratio within one round, which is long enough for its share of checkpoints.

    python bench/recording.py [--experiment dcgan] [--pairs 4] [--rounds 4] [--seconds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from statistics import median

from descent.registry import experiments
from served import new_run, served
from steps_per_second import train

RECORDED = 0.98  # target
Rates = list[tuple[float, float]]


async def measure(recording: str, plain: str, id: str, rounds: int, seconds: float) -> Rates:
    """For each round the steps per second: not recorded, recorded."""
    rates: Rates = []
    async with new_run(recording, id, device="cpu") as recorded, new_run(plain, id, device="cpu") as bare:
        for run in (recorded, bare):
            await run.ask("POST", "pace", steps_per_second=None)
            await run.ask("POST", "pause")
        for turn in range(rounds + 1):
            if turn % 2:  # neither is always the first
                rate = await train(recorded, seconds)
                rates.append((await train(bare, seconds), rate))
            else:
                rate = await train(bare, seconds)
                rates.append((rate, await train(recorded, seconds)))
    return rates[1:]  # the first round warms up


def main() -> int:
    """Measure, print, and say whether the target is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiment", action="append", choices=list(experiments()), help="default: all")
    parser.add_argument("--pairs", type=int, default=4, help="of runs")
    parser.add_argument("--rounds", type=int, default=4, help="with each pair")
    parser.add_argument("--seconds", type=float, default=3, help="of each of the two in a round")
    options = parser.parse_args()
    met = True
    print(f"{'':20}{'not recorded':>16}{'recorded':>14}{'ratio':>8}")
    with served() as recording, served("--record=false") as plain:
        for id in options.experiment or experiments():
            rates = [
                pair
                for _ in range(options.pairs)
                for pair in asyncio.run(measure(recording, plain, id, options.rounds, options.seconds))
            ]
            ratio = median(recorded / bare for bare, recorded in rates)
            ok = ratio >= RECORDED
            met &= ok
            bare, recorded = (median(column) for column in zip(*rates, strict=True))
            print(
                f"{id:20}{bare:14.1f}/s{recorded:12.1f}/s{ratio:8.3f}{'' if ok else '   MISSED'}", flush=True
            )
    print(f"medians of {options.pairs} × {options.rounds} rounds; target: ≥ {RECORDED}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
