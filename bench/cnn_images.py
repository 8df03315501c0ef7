"""How many of MNIST's pictures does a network with 8 and 16 filters train on in a second?

`cnn-images` with its defaults on MNIST, which has to be there (DESCENT_DATA, or fetched): in a bare loop,
under the server, and watched. ConvNetJS trained on 346 in a second where the target was set.

    python bench/cnn_images.py [--pairs 3] [--rounds 4] [--seconds 2]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from statistics import median

from descent.experiments.convolution.cnn_images import ImagesKnobs
from served import served
from steps_per_second import measure

BARE, UNWATCHED, WATCHED = 8000, 0.95, 0.93  # targets: pictures per second, and ratios


def main() -> int:
    parser = argparse.ArgumentParser(description="How many of MNIST's pictures per second?")
    parser.add_argument("--pairs", type=int, default=3, help="of a bare process and a run")
    parser.add_argument("--rounds", type=int, default=4, help="with each pair")
    parser.add_argument("--seconds", type=float, default=2, help="of each of the three in a round")
    options = parser.parse_args()
    with served() as address:
        rounds = [
            asyncio.run(
                measure(address, "cnn-images", options.rounds, options.seconds, "cpu", dataset="mnist")
            )
            for _ in range(options.pairs)
        ]
    bare, unwatched, watched, _ = ([x for one in pair for x in one] for pair in zip(*rounds, strict=True))
    each = median(bare) * ImagesKnobs().batch_size
    alone, seen = (
        median(b / a for a, b in zip(bare, served, strict=True)) for served in (unwatched, watched)
    )
    print(f"bare        {each:8.0f} pictures/s (target {BARE})")
    print(f"unwatched   {alone:8.3f} of that (target {UNWATCHED})")
    print(f"watched     {seen:8.3f} of that (target {WATCHED})")
    return 0 if each >= BARE and alone >= UNWATCHED and seen >= WATCHED else 1


if __name__ == "__main__":
    sys.exit(main())
