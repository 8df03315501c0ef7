"""How readable are DCGAN's digits after a minute with the defaults?

Trains the experiment by its own `step` in a plain loop, then asks a small convolutional classifier, trained
on the real digits at the same resolution, what it sees. Exits 1 unless it is at least 80 % sure of 70 % of
256 samples and all ten classes are among those.

    python bench/dcgan_digits.py [--seconds 60] [--threads 1] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

from descent.experiments.generative.dcgan import DCGAN, DCGANKnobs
from descent.kit.data.digits import Digits, sklearn_digits

SURE, SHARE, SAMPLES = 0.8, 0.7, 256


def train_classifier(digits: Digits, steps: int = 600) -> tuple[nn.Module, float, float]:
    """A classifier, its accuracy on held-out digits, and the share of them it is sure of."""
    torch.manual_seed(1)
    side = digits.images.shape[-1] // 4
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(32 * side * side, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    train, held_out = torch.randperm(len(digits)).tensor_split([len(digits) * 4 // 5])
    for _ in range(steps):
        rows = train[torch.randint(len(train), (64,))]
        loss = F.cross_entropy(model(digits.images[rows]), digits.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sure, guess = verdict(model, digits.images[held_out])
    accuracy = (guess == digits.labels[held_out]).float().mean().item()
    return model, accuracy, (sure >= SURE).float().mean().item()


@torch.no_grad()
def verdict(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The probability of the likeliest class, and that class, (N,) each."""
    best = model(images).softmax(dim=1).max(dim=1)
    return best.values, best.indices


def train_dcgan(seconds: float, seed: int) -> DCGAN:
    """The experiment after `seconds` of steps with the default knobs."""
    knobs = DCGANKnobs()
    experiment = DCGAN(seed, torch.device("cpu"))
    torch.manual_seed(seed)
    experiment.build(knobs)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        experiment.step(knobs)
        experiment.step_index += 1
    return experiment


def main() -> int:
    parser = argparse.ArgumentParser(description="How readable are DCGAN's digits after a minute?")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=1, help="1, as a run under the server has")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    knobs = DCGANKnobs()
    classifier, accuracy, sure_of_real = train_classifier(sklearn_digits(knobs.resolution))
    experiment = train_dcgan(arguments.seconds, arguments.seed)
    generator = experiment.G.eval()
    noise = torch.randn(SAMPLES, knobs.latent, generator=torch.Generator().manual_seed(arguments.seed))
    with torch.no_grad():
        sure, guess = verdict(classifier, generator(noise))
    share, classes = (sure >= SURE).float().mean().item(), len(guess[sure >= SURE].unique())

    print(
        f"classifier   {accuracy:.1%} of held-out digits right, {SURE:.0%} sure of {sure_of_real:.1%} of them"
    )
    print(f"steps        {experiment.step_index} in {arguments.seconds:.0f} s, threads: {arguments.threads}")
    print(f"samples      {SURE:.0%} sure of {share:.1%} of {SAMPLES} (target {SHARE:.0%})")
    print(f"classes      {classes} among those (target 10)")
    return 0 if share >= SHARE and classes == 10 else 1


if __name__ == "__main__":
    sys.exit(main())
