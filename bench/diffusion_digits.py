"""How many of diffusion's digits are of the class asked for after a minute?

Trains the experiment with its preset for digits by its own `step` in a plain loop on one thread, then asks
the classifier of `dcgan_digits`, trained on the real digits, what it sees. Seconds are those of the
processor, so that what else runs on the machine counts little. Exits 1 unless 80 % of the samples are right.

    python bench/diffusion_digits.py [--seconds 60] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from dcgan_digits import train_classifier, verdict
from descent.experiments.generative.diffusion import DIGITS, Diffusion, DiffusionKnobs
from descent.kit.data.digits import sklearn_digits
from descent.kit.nn.diffusion import guided, sample

SHARE, SAMPLES, STEPS = 0.8, 200, 20
GUIDANCE = (-1.0, 0.0, 2.0)


def train_diffusion(seconds: float, seed: int) -> Diffusion:
    """The experiment after so many seconds of steps."""
    knobs = DiffusionKnobs(**DIGITS)
    torch.manual_seed(seed)
    experiment = Diffusion(seed, torch.device("cpu"))
    experiment.build(knobs)
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        experiment.step(knobs)
        experiment.step_index += 1
    return experiment


@torch.no_grad()
def main() -> int:
    """Print the shares, by guidance."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with torch.enable_grad():
        classifier, accuracy, _ = train_classifier(sklearn_digits(8))
        experiment = train_diffusion(options.seconds, options.seed)
    print(f"classifier: {accuracy:.1%} of held-out digits")
    steps = experiment.step_index
    print(f"{steps} steps in {options.seconds:.0f} s, {1000 * options.seconds / steps:.0f} ms each")
    noise = torch.randn(SAMPLES, 1, 8, 8, generator=torch.Generator().manual_seed(options.seed))
    asked = torch.arange(SAMPLES) % 10
    shares = {}
    for w in GUIDANCE:
        begin = time.process_time()
        x = sample(guided(experiment.epsilon, w), noise, asked, experiment.alpha_bar, steps=STEPS, reach=1.0)[
            -1
        ]
        taken = time.process_time() - begin
        shares[w] = (verdict(classifier, x)[1] == asked).float().mean().item()
        print(f"w = {w:g}: {shares[w]:.0%} of {SAMPLES} of the class asked for, drawn in {taken:.2f} s")
    return 0 if shares[0.0] >= SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
