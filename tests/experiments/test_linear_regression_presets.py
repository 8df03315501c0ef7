"""What linear-regression's presets and lesson say is to be seen."""

from __future__ import annotations

import math
from statistics import mean

import pytest
import torch

from claims import claim
from descent.experiments.optimisation.linear_regression import NAMES, LinearRegression
from driving import Driven


def above(run: Driven, name: str, rows: slice) -> float:
    """How far a learner's loss was above the lowest there is, on average over some steps."""
    floor = run.experiment.floor.item()
    return mean(row[f"loss/{name}"] for row in run.rows[rows]) - floor


def out_at(run: Driven, name: str) -> int:
    """The first step that a learner no longer took."""
    return next(i for i, row in enumerate(run.rows) if math.isnan(row.get(f"loss/{name}", math.nan)))


@claim(LinearRegression, "too-large")
def test_too_large(run: Driven) -> None:
    marks = dict(run.look("shrinking").marks[0])
    assert marks["2/λₘₐₓ"] == pytest.approx(0.344, abs=5e-4)
    steepest = torch.linalg.eigvalsh(run.experiment.hessian).max().item()
    assert run.knobs.lr * steepest - 1 == pytest.approx(1.033, abs=5e-4)
    run.train(80)
    assert 50 < out_at(run, "batch") <= 70
    assert out_at(run, "stochastic") < 20


@claim(LinearRegression, "one-point")
def test_why_it_never_rests(run: Driven) -> None:
    run.train(300)
    assert above(run, "batch", slice(200, 300)) < 1e-11
    assert above(run, "stochastic", slice(200, 300)) > 0.1
    assert above(run, "stochastic", slice(100, 300)) > 8 * above(run, "mini-batch", slice(100, 300))
    run.train(900)
    before = above(run, "stochastic", slice(400, 1200))
    assert 12 < before / above(run, "mini-batch", slice(400, 1200)) < 20
    run.change(lr=0.01).train(300)
    assert above(run, "stochastic", slice(1300, 1500)) < before / 10


@claim(LinearRegression, "valley")
def test_a_valley_then_a_round_bowl(run: Driven) -> None:
    flat, steep = torch.linalg.eigvalsh(run.experiment.hessian).tolist()
    assert run.experiment.raw.min().item() == 3
    assert run.experiment.raw.max().item() == 7
    assert steep / flat == pytest.approx(540, rel=0.01)
    run.train(300)
    for name in NAMES:
        assert above(run, name, slice(40, 60)) < 0.02 * above(run, name, slice(0, 1))  # in the valley
        assert above(run, name, slice(299, 300)) > 0.01  # and far from its lowest place
    run.change(standardise="always", lr=0.2).train(60)
    assert above(run, "batch", slice(359, 360)) < 1e-11


@claim(LinearRegression, "minus")
def test_a_minus_too_many(run: Driven) -> None:
    hand, autograd, _ = run.look("derivatives").values.unbind(1)
    torch.testing.assert_close(hand, -autograd)
    run.train(60)
    for name in NAMES:
        losses = [row[f"loss/{name}"] for row in run.rows[: out_at(run, name)]]
        assert losses[-1] - losses[-10] > losses[20] - losses[11] > 0  # ever faster
    assert all(math.isnan(value) for value in run.rows[-1].values())


@claim(LinearRegression, "hubble")
def test_galaxies_fly_apart(run: Driven) -> None:
    assert len(run.experiment.x) == 24
    run.train(300)
    assert run.last("w") == pytest.approx(454.158, abs=1e-3)
    assert run.last("b") == pytest.approx(-40.784, abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_just_under_the_bound_the_swings_shrink(seed: int) -> None:
    run = Driven(LinearRegression, seed, lr=0.34).train(300)
    assert above(run, "batch", slice(290, 300)) < 0.01 * above(run, "batch", slice(0, 10))
