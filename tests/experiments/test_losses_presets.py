"""What the presets of `losses` say is to be seen: all steps within fifteen seconds at its pace."""

from __future__ import annotations

import math

import pytest
import torch

from claims import claim
from descent.experiments.training.losses import REGRESSORS, Losses
from driving import Driven

SECONDS_15 = int(15 * Losses.pace)
SERIES = list(REGRESSORS)


def shares(run: Driven, name: str) -> list[float]:
    """Within ±1σ at either end, then within ±2σ: as the bars say."""
    values: list[float] = run.look("calibration").values[1 + SERIES.index(name)].tolist()
    return values


@claim(Losses, "equal")
def test_with_equal_noise_the_gaussian_bands_coincide_and_keep_their_word(run: Driven) -> None:
    run.train(SECONDS_15 + 1)
    bands = run.look("bands")
    constant, learnt = (bands.high - bands.low)[0, 1:]
    ratio = (learnt / constant).quantile(torch.tensor([0.05, 0.95]))
    assert ratio[0] > 0.9
    assert ratio[1] < 1.1
    for name in ("mse", "gaussian"):
        assert shares(run, name) == pytest.approx([0.68, 0.68, 0.95, 0.95], abs=0.03)
    assert run.last("held/gaussian") > run.last("held/mse") - 0.005


@claim(Losses, "outliers")
def test_means_give_way_to_outliers_and_medians_hardly(run: Driven) -> None:
    run.train(SECONDS_15 + 1)
    values = run.look("bands").values  # (Gaussian or Laplace, truth and two curves, columns)
    off = (values[:, 1:] - values[:, :1]).mean(2)
    assert off[0].tolist() == pytest.approx([0.5, 0.5], abs=0.05)
    assert off[1].tolist() == pytest.approx([0.1, 0.1], abs=0.06)


@claim(Losses, "laplace")
def test_laplaces_noise_is_better_told_by_l1(run: Driven) -> None:
    run.train(SECONDS_15 + 1)
    assert run.last("held/l1") < run.last("held/mse") - 0.03
    one_left, one_right, *two = shares(run, "mse")
    assert (one_left + one_right) / 2 == pytest.approx(0.75, abs=0.035)
    assert min(one_left, one_right) > 0.7
    assert max(two) < 0.954  # more far out, too


@claim(Losses, "convinced")
def test_only_cross_entropy_takes_a_confident_error_back(run: Driven) -> None:
    run.train(11)
    assert run.rows[0]["labels/cross-entropy"] > 5
    assert run.rows[10]["labels/cross-entropy"] < 1
    run.train(SECONDS_15 - 11)
    cross_entropy, squared = run.look("probabilities").values[0, 1:]
    assert (cross_entropy < 0.5).any()
    assert (squared > 0.99).all()


@claim(Losses, "line")
def test_the_derivatives_vanish_and_both_gaussians_end_on_one_line(run: Driven) -> None:
    run.train(SECONDS_15)
    mse, nll = (run.experiment.regressors[name][0] for name in ("mse", "gaussian"))
    w, b = mse.weight.item(), mse.bias.item()
    assert w == pytest.approx(0.8, abs=0.05)
    assert b == pytest.approx(0.3, abs=0.05)
    assert nll.weight[0].item() == pytest.approx(w, abs=0.01)
    assert nll.bias[0].item() == pytest.approx(b, abs=0.01)
    x, y = run.experiment.drawn.x[:, 0], run.experiment.y
    r = y - (w * x + b)
    assert abs(2 * (r * x).mean()) < 1e-4
    assert abs(2 * r.mean()) < 1e-4


@claim(Losses, "few")
def test_a_likelihood_without_a_floor_grows_sure_and_wrong(run: Driven) -> None:
    run.train(SECONDS_15 + 1)
    held = [row["held/gaussian"] for row in run.rows[500::10]]
    assert sum(value > 3 for value in held) > 0.8 * len(held)
    assert run.last("held/truth") == pytest.approx(-0.2, abs=0.05)
    spread = run.experiment._density("gaussian", run.experiment.drawn.x).sigma().detach()
    truth = run.knobs.spread * torch.exp(run.knobs.growth * run.experiment.drawn.x[:, 0])
    assert (spread / truth).min() < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_constant_band_holds_all_at_the_left_and_far_too_few_at_the_right(seed: int) -> None:
    left, right, *two = shares(Driven(Losses, seed).train(600), "mse")
    assert left > 0.98
    assert right < 0.6
    assert two[1] < 0.87


@pytest.mark.slow
def test_half_the_mse_and_a_constant_is_a_likelihood() -> None:
    run = Driven(Losses).train(11)
    assert 0.5 * math.log(2 * math.pi) == pytest.approx(0.919, abs=5e-4)
    assert run.last("nll/unit") == pytest.approx(run.last("loss/mse") / 2 + 0.919, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_at_a_rate_of_a_half_mse_converges_and_gaussian_nll_does_not(seed: int) -> None:
    run = Driven(Losses, seed, **{**Losses.presets["line"].knobs, "lr": 0.5}).train(SECONDS_15 + 1)
    assert run.last("held/mse") < run.last("held/truth") + 0.02
    late = [row["held/gaussian"] for row in run.rows[300::10]]
    assert not max(late) - min(late) < 0.1
