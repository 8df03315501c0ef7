"""What optimizers' presets and lesson say is to be seen."""

from __future__ import annotations

import pytest
import torch

from claims import SEEDS, claim, preset
from descent.experiments.optimisation.optimizers import NAMES, Optimizers
from driving import Driven


def standings(run: Driven, column: int) -> dict[str, float]:
    """By racer: 0 the training loss, 2 the length of θ."""
    return dict(zip(NAMES, run.look("standings").values[:, column].tolist(), strict=True))


@claim(Optimizers, "one-rate")
def test_one_rate_for_all(run: Driven) -> None:
    loss = standings(run.train(100), 0)
    assert loss["adam"] == pytest.approx(0.03, abs=0.006)
    assert loss["sgd"] > 1.3
    own = standings(Driven(Optimizers, run.experiment.seed).train(100), 0)
    assert 0.02 < min(own.values()) < max(own.values()) < 0.07


@claim(Optimizers, "scales")
def test_pixels_in_unlike_units(run: Driven) -> None:
    loss = standings(run.train(100), 0)
    assert loss["sgd"] > 0.15
    assert loss["adam"] < 0.07
    per_weight = max(loss[name] for name in ("adagrad", "rmsprop", "adam"))
    assert per_weight < min(loss[name] for name in ("sgd", "momentum", "nag"))
    # Without momentum, Momentum and NAG are SGD at half its rate and at twice: that makes up for nothing.
    others = {"momentum": 0.0, "lr_momentum": run.knobs.lr_sgd / 2, "lr_nag": run.knobs.lr_sgd * 2}
    other = standings(preset(Optimizers, "scales", run.experiment.seed, **others).train(100), 0)
    assert min(other["momentum"], other["nag"]) > 0.99 * loss["sgd"]


@claim(Optimizers, "no-momentum")
def test_without_momentum_three_are_one(run: Driven) -> None:
    run.train(30)
    assert all(row["loss/sgd"] == row["loss/momentum"] == row["loss/nag"] for row in run.rows)
    assert run.last("loss/sgd") != run.last("loss/adagrad")
    run.change(momentum=0.9)
    racer, slopes, steps = NAMES.index("momentum"), [], []
    for _ in range(30):
        run.train(1)
        parameters = run.experiment.models[racer].parameters()
        slopes.append(torch.cat([parameter.grad.flatten() for parameter in parameters]).norm().item())
        steps.append(run.experiment.moved[racer].norm().item() / run.knobs.lr_momentum)
    assert max(step / slope for step, slope in zip(steps, slopes, strict=True)) > 2
    assert max(steps) < max(slopes) / (1 - 0.9)


@claim(Optimizers, "decay")
def test_weight_decay_in_and_beside_the_gradient(run: Driven) -> None:
    run.train(150)
    lengths, losses = standings(run, 2), standings(run, 0)
    assert all(7.5 < lengths[name] < 8.5 for name in NAMES if name != "adamw")
    total = [losses[name] + run.knobs.weight_decay / 2 * lengths[name] ** 2 for name in NAMES[:-1]]
    assert max(total) < 1.1 * min(total)
    assert lengths["adamw"] > 15
    assert run.knobs.lr_adamw * run.knobs.weight_decay == pytest.approx(0.0005)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_map_holds_about_70_per_cent_of_the_paths(seed: int) -> None:
    run = Driven(Optimizers, seed).train(150)
    assert run.look("shares").values[0, 0, 1].item() == pytest.approx(70, abs=6)


def test_a_rate_of_1_is_small_for_adadelta_and_absurd_for_adam() -> None:
    one = {f"lr_{name}": 1.0 for name in NAMES}
    loss = standings(Driven(Optimizers, **one).train(60), 0)
    assert loss["adadelta"] > 0.1
    own = standings(Driven(Optimizers).train(60), 0)
    assert own["adadelta"] < loss["adadelta"]
    assert not loss["adam"] < 10 * own["adam"]
