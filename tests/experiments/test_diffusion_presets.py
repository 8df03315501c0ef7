"""What the presets of diffusion say is to be seen."""

from __future__ import annotations

from statistics import mean

import pytest
import torch

from claims import SEEDS, claim
from descent.experiments.generative.diffusion import Diffusion
from descent.kit.data.clouds import large_sample
from driving import Driven


def near_a_mode(driven: Driven) -> float:
    """The share of the samples within 3σ of a mode, at the end of the way back."""
    way_back = driven.change(level=1).look("way_back")
    x = torch.as_tensor(way_back.points)[torch.as_tensor(way_back.groups) == 1]
    data = large_sample(driven.knobs.distribution, "", torch.device("cpu"))
    return float(data.compare(x)["quality"])


def digits(driven: Driven) -> torch.Tensor:
    """The samples (64, 64), in −1…1; sample i was asked to be i mod 10."""
    return torch.as_tensor(driven.look("samples").pixels).flatten(1).float() / 127.5 - 1


def right(driven: Driven) -> float:
    """The share of the samples whose nearest real digit is of the class asked for."""
    real = driven.experiment.digits
    nearest = torch.cdist(digits(driven), real.images.flatten(1)).argmin(1)
    return float((real.labels[nearest] == torch.arange(64) % 10).float().mean())


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_by_default_the_samples_reach_the_modes(seed: int) -> None:
    """1500 steps take some four seconds on a quiet core."""
    driven = Driven(Diffusion, seed).train(1001)
    assert driven.last("modes") >= 6 / 8
    driven.train(500)
    assert near_a_mode(driven) > 0.45
    assert max(row["modes"] for row in driven.rows if "modes" in row) >= 7 / 8


@claim(Diffusion, "few-steps")
def test_three_steps_are_too_few_for_a_network_that_knows_the_way(driven: Driven) -> None:
    few = near_a_mode(driven.train(1001))
    assert few < 0.4
    assert near_a_mode(driven.change(steps=20)) > max(0.4, 1.5 * few)


@claim(Diffusion, "too-fast")
def test_at_too_high_a_rate_the_way_back_is_not_found(driven: Driven) -> None:
    driven.train(401)
    assert mean(row["loss/train"] for row in driven.rows[-50:]) > 0.4
    assert driven.last("modes") <= 2 / 8


@claim(Diffusion, "classes")
def test_guidance_asks_for_a_class(driven: Driven) -> None:
    driven.train(150)
    guided = right(driven)
    assert guided >= 0.5
    assert right(driven.change(guidance=0.0)) < guided
    assert 0.02 <= right(driven.change(guidance=-1.0)) < 0.3


@claim(Diffusion, "too-far")
def test_too_much_guidance_makes_harsh_digits_that_are_alike(driven: Driven) -> None:
    driven.train(150)
    far, plain = digits(driven), digits(driven.change(guidance=0.0))

    def extreme(x: torch.Tensor) -> float:
        return float((x.abs() > 0.95).float().mean())

    def within_class(x: torch.Tensor) -> float:
        return mean(float(torch.pdist(x[i::10]).mean()) for i in range(10))

    assert extreme(far) > extreme(plain) + 0.05
    assert within_class(far) < 0.9 * within_class(plain)
