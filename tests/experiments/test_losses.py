"""Losses as likelihoods: against torch's losses and distributions, and what each assumed noise leads to."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Laplace, Normal
from torch.nn import functional as F

import driving
from descent.engine.observe import look
from descent.experiments.training.losses import (
    CLASSIFIERS,
    HALF_LOG_2PI,
    PAIRS,
    REGRESSORS,
    Density,
    Losses,
    LossKnobs,
    gaussian,
    label_loss,
    laplace,
    regression_loss,
)
from descent.kit.data.noisy import OUTLIER, draw, true_probability, true_sigma, truth
from descent.kit.text import rough
from driving import built, change, latest, said_of, take

CPU = torch.device("cpu")


def made(seed: int = 0, **knobs: Any) -> tuple[Losses, LossKnobs]:
    return built(Losses, seed, **knobs)


def run(experiment: Losses, knobs: LossKnobs, steps: int) -> dict[str, float]:
    """Take steps; the last measured scalars."""
    return latest(take(experiment, knobs, steps))


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# What the losses are


def test_the_gaussian_loss_is_torchs_and_minus_the_log_density() -> None:
    mu, y, sigma = some(50).requires_grad_(), some(50, seed=1), some(50, seed=2).exp().requires_grad_()
    mine = gaussian(y - mu, sigma).mean()
    torchs = torch.nn.GaussianNLLLoss(full=True, eps=0.0)(mu, y, sigma**2)
    torch.testing.assert_close(mine, torchs)
    torch.testing.assert_close(mine, -Normal(mu, sigma).log_prob(y).mean())
    expected = torch.autograd.grad(torchs, (mu, sigma))
    torch.testing.assert_close(torch.autograd.grad(mine, (mu, sigma)), expected)


def test_the_laplace_loss_is_minus_the_log_density() -> None:
    mu, y, b = some(50), some(50, seed=1), some(50, seed=2).exp()
    torch.testing.assert_close(laplace(y - mu, b), -Laplace(mu, b).log_prob(y))


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_mse_is_the_gaussian_likelihood_of_constant_sigma_up_to_a_factor_and_a_constant(sigma: float) -> None:
    out, y = some(50, 1).requires_grad_(), some(50, seed=1)
    mse = regression_loss("mse", out, y)
    torch.testing.assert_close(mse, F.mse_loss(out[:, 0], y))
    nll = gaussian(y - out[:, 0], torch.full_like(y, sigma)).mean()
    torch.testing.assert_close(nll, mse / (2 * sigma**2) + math.log(sigma) + HALF_LOG_2PI)
    (slope,), (slope_of_mse,) = torch.autograd.grad(nll, out), torch.autograd.grad(mse, out)
    torch.testing.assert_close(slope, slope_of_mse / (2 * sigma**2))


def test_l1_is_the_laplace_likelihood_up_to_a_factor_and_a_constant() -> None:
    out, y = some(50, 1), some(50, seed=1)
    l1 = regression_loss("l1", out, y)
    torch.testing.assert_close(l1, F.l1_loss(out[:, 0], y))
    torch.testing.assert_close(
        laplace(y - out[:, 0], torch.full_like(y, 0.7)).mean(), l1 / 0.7 + math.log(1.4)
    )


def test_mse_and_l1_end_at_the_mean_and_the_median() -> None:
    y = some(51).exp()  # lopsided
    constants = torch.linspace(0, 4, 4001, dtype=torch.float64)
    for name, statistic in (("mse", y.mean()), ("l1", y.median())):
        losses = torch.stack([regression_loss(name, c.expand(51, 1), y) for c in constants])  # type: ignore[arg-type]
        assert constants[losses.argmin()] == pytest.approx(float(statistic), abs=1e-3)


def test_the_spread_taken_for_constant_is_the_likeliest() -> None:
    experiment, knobs = made()
    run(experiment, knobs, 50)
    x, y = experiment.drawn.x, experiment.y
    for name in ("mse", "l1"):
        density = experiment._density(name, x)  # type: ignore[arg-type]
        best = density.cost(y).mean()
        for factor in (0.97, 1.03):
            other = Density(density.is_gaussian, density.centre, factor * density.spread)
            assert other.cost(y).mean() > best


def test_cross_entropy_is_minus_the_log_likelihood_of_the_labels() -> None:
    z, labels = some(40, 2), torch.arange(40) % 2
    one_hot = F.one_hot(labels, 2).double()
    loss = label_loss("cross-entropy", z, one_hot)
    torch.testing.assert_close(loss, F.cross_entropy(z, labels))
    torch.testing.assert_close(loss, -Categorical(logits=z).log_prob(labels).mean())
    torch.testing.assert_close(loss, -Bernoulli(logits=z[:, 1] - z[:, 0]).log_prob(labels.double()).mean())


def test_cross_entropys_slope_is_prediction_minus_label() -> None:
    z, y = some(40, 5).requires_grad_(), F.one_hot(torch.arange(40) % 5, 5).double()
    (slope,) = torch.autograd.grad(40 * label_loss("cross-entropy", z, y), z)
    torch.testing.assert_close(slope, z.softmax(1) - y)


def test_squared_error_loses_its_slope_when_confidently_wrong() -> None:
    z = torch.tensor([[12.0, 0.0]], dtype=torch.float64, requires_grad=True)  # says 0, is 1
    y = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    slopes = {name: torch.autograd.grad(label_loss(name, z, y), z)[0][0, 1].item() for name in CLASSIFIERS}
    q = 1 / (1 + math.exp(12))
    assert slopes["cross-entropy"] == pytest.approx(q - 1)
    assert slopes["squared"] == pytest.approx(4 * (q - 1) * q * (1 - q))
    assert abs(slopes["squared"]) < 1e-4 < 0.99 < abs(slopes["cross-entropy"])


# The data


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_the_noise_has_the_spread_that_is_promised(kind: str) -> None:
    data = draw(40_000, "wave", kind, torch.Generator().manual_seed(0), CPU)
    assert data.noise.mean().item() == pytest.approx(0, abs=0.03)
    assert data.noise.std().item() == pytest.approx(1, abs=0.03)
    assert (data.noise.abs() < 1).float().mean().item() == pytest.approx(
        {"gaussian": 0.683, "laplace": 1 - math.exp(-math.sqrt(2))}[kind], abs=0.01
    )
    rest = (data.targets("wave", 0.3, 0.5) - truth(data.x, "wave")) / true_sigma(data.x, 0.3, 0.5)
    torch.testing.assert_close(rest, data.noise, atol=1e-4, rtol=1e-4)
    expected, share = true_probability(data.x, "wave").mean(), data.labels[:, 1].mean()
    assert share.item() == pytest.approx(expected.item(), abs=0.01)


def test_outliers_come_and_go_and_never_among_the_held_out_points() -> None:
    experiment, knobs = made()
    y, held = experiment.y.clone(), experiment.held_y.clone()
    knobs = change(experiment, knobs, outliers=0.2)
    moved = experiment.y - y
    assert set(moved.round().unique().tolist()) == {0.0, OUTLIER}
    assert (moved > 1).float().mean().item() == pytest.approx(0.2, abs=0.05)
    assert torch.equal(experiment.held_y, held)
    change(experiment, knobs, outliers=0.0)
    assert torch.equal(experiment.y, y)


# The training


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_each_network_trains_as_if_it_were_alone(optimizer: str) -> None:
    experiment, knobs = made(optimizer=optimizer)
    alone, _ = made(optimizer=optimizer)
    run(experiment, knobs, 20)
    for name, model in alone.regressors.items():
        kind = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
        own = kind(model.parameters(), knobs.lr)
        for _ in range(20):
            own.zero_grad()
            regression_loss(name, model(alone.drawn.x), alone.y).backward()
            own.step()
        for mine, its in zip(experiment.regressors[name].parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(mine, its, atol=1e-4, rtol=1e-3)
    for label, model in alone.classifiers.items():
        sgd = torch.optim.SGD(model.parameters(), knobs.lr_labels)
        for _ in range(20):
            sgd.zero_grad()
            label_loss(label, model(alone.drawn.x), alone.drawn.labels).backward()
            sgd.step()
        for mine, its in zip(experiment.classifiers[label].parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(mine, its, atol=1e-4, rtol=1e-3)


def test_a_line_steps_by_the_derivatives_written_under_it() -> None:
    experiment, knobs = made(hidden=0, curve="line", optimizer="sgd", lr=0.05)
    model, x, y = experiment.regressors["mse"], experiment.drawn.x[:, 0], experiment.y
    for _ in range(3):
        w, b = (parameter.item() for parameter in model.parameters())
        off = y - (w * x + b)
        dw, db = -2 * (off * x).mean().item(), -2 * off.mean().item()
        note = look(experiment, knobs, "bands").notes[0].replace("−", "-")
        shown = [float(part.split(",")[0]) for part in note.split(" = ")[2:]]
        assert shown == pytest.approx([dw, db], rel=1e-2)
        run(experiment, knobs, 1)
        after = [parameter.item() for parameter in model.parameters()]
        assert after == pytest.approx([w - 0.05 * dw, b - 0.05 * db], rel=1e-5)


def test_the_likelihood_that_is_shown_is_half_the_mse_and_a_constant() -> None:
    row = run(*made(), 21)
    assert row["nll/unit"] == pytest.approx(row["nll/affine"], rel=1e-5)
    assert row["nll/affine"] == pytest.approx(0.5 * row["loss/mse"] + 0.5 * math.log(2 * math.pi), rel=1e-5)


def test_new_rates_reach_their_optimizers_and_keep_adams_moments() -> None:
    experiment, knobs = made()
    run(experiment, knobs, 5)
    moments = [state["exp_avg"].clone() for state in experiment.optimizer.state.values()]
    change(experiment, knobs, lr=0.5, lr_labels=2.0)
    assert experiment.optimizer.param_groups[0]["lr"] == 0.5
    assert experiment.label_optimizer.param_groups[0]["lr"] == 2.0
    assert moments
    for before, state in zip(moments, experiment.optimizer.state.values(), strict=True):
        assert torch.equal(before, state["exp_avg"])


# What is shown


@pytest.mark.parametrize("is_gaussian", [True, False])
def test_an_assumed_density_is_torchs(is_gaussian: bool) -> None:
    centre, spread, y = some(50), some(50, seed=2).exp(), some(50, seed=1)
    mine, torchs = Density(is_gaussian, centre, spread), (Normal if is_gaussian else Laplace)(centre, spread)
    torch.testing.assert_close(mine.cost(y), -torchs.log_prob(y))
    torch.testing.assert_close(mine.sigma(), torchs.stddev)
    for k, share in ((1, 0.682689), (2, 0.954500)):
        inside = torchs.cdf(centre + mine.reach(k)) - torchs.cdf(centre - mine.reach(k))
        torch.testing.assert_close(inside, torch.full_like(inside, share), atol=1e-6, rtol=0)


def test_the_shares_that_are_shown_are_counted() -> None:
    experiment, knobs = made()
    run(experiment, knobs, 100)
    picture = look(experiment, knobs, "calibration")
    assert picture.values[0].tolist() == pytest.approx([0.6827, 0.6827, 0.9545, 0.9545], abs=1e-4)
    x, y = experiment.held.x, experiment.held_y
    for row, name in enumerate(REGRESSORS, 1):
        density = experiment._density(name, x)
        kind = Normal if density.is_gaussian else Laplace
        off = (kind(density.centre, density.spread).cdf(y).detach() - 0.5).abs()
        for column, (share, right) in enumerate(itertools.product((0.6827, 0.9545), (False, True))):
            part = x[:, 0] > 2 / 3 if right else x[:, 0] < -2 / 3
            inside = (off < share / 2)[part].float().mean().item()
            assert picture.values[row, column].item() == pytest.approx(inside, abs=0.004)


def test_bands_hold_the_share_they_promise_of_their_own_density() -> None:
    experiment, knobs = made()
    run(experiment, knobs, 30)
    picture = look(experiment, knobs, "bands")
    assert picture.groups == list(PAIRS)
    for group, pair in enumerate(PAIRS.values()):
        for series, name in enumerate(pair, 1):
            density = experiment._density(name, picture.x[:, None])
            torchs = (Normal if density.is_gaussian else Laplace)(density.centre, density.spread)
            inside = torchs.cdf(picture.high[group, series]) - torchs.cdf(picture.low[group, series])
            torch.testing.assert_close(inside, torch.full_like(inside, 0.9545), atol=1e-3, rtol=0)
    assert torch.equal(picture.low[:, 0], picture.values[:, 0])  # the truth has no band


def test_single_points_lie_on_the_curves_of_constant_spread() -> None:
    experiment, knobs = made(outliers=0.1)
    run(experiment, knobs, 60)
    picture = look(experiment, knobs, "residuals")
    r = experiment.regressors["mse"](experiment.drawn.x).detach()[:, 0] - experiment.y
    variance = (r * r).mean()
    mse = picture.dots[(picture.dots[:, 0] == 1) & (picture.dots[:, 1] == 0)]
    torch.testing.assert_close(mse[:, 3], mse[:, 2] / variance)  # (ŷ − y)/σ̂²
    torch.testing.assert_close(picture.values[1, 0], picture.x / variance)
    cost = picture.dots[(picture.dots[:, 0] == 0) & (picture.dots[:, 1] == 0)]
    torch.testing.assert_close(cost[:, 3], gaussian(cost[:, 2], variance.sqrt()))
    assert torch.isnan(picture.values[:, 1::2]).all()  # a learnt spread has no one curve


def test_labels_pull_as_the_formulas_say() -> None:
    experiment, knobs = made(conviction=8.0)
    run(experiment, knobs, 5)
    picture = look(experiment, knobs, "label_pull")
    for series in (0, 1):
        dots = picture.dots[picture.dots[:, 1] == series]
        p = dots[:, 2].sigmoid()
        expected = p - 1 if series == 0 else 4 * (p - 1) * p * (1 - p)
        torch.testing.assert_close(dots[:, 3], expected, atol=1e-5, rtol=1e-3)


# What the defaults and presets promise


def preset(name: str, steps: int, seed: int = 0) -> tuple[Losses, LossKnobs, dict[str, float]]:
    experiment, knobs = made(seed, **Losses.presets[name].knobs)
    return experiment, knobs, run(experiment, knobs, steps)


def off_the_truth(experiment: Losses, knobs: LossKnobs) -> dict[str, float]:
    """By how much each curve runs too high."""
    x = experiment.held.x
    return {
        name: (experiment._density(name, x).centre - truth(x, knobs.curve)).mean().item()
        for name in REGRESSORS
    }


def test_a_learnt_spread_wins_where_the_noise_grows() -> None:
    experiment, knobs = made()
    row = run(experiment, knobs, 300)
    assert row["held/truth"] < row["held/gaussian"] < row["held/mse"] - 0.3
    expected, mse, learnt, _, _ = look(experiment, knobs, "calibration").values
    assert mse[0] > 0.95  # ±1σ at the left
    assert mse[1] < 0.6  # and at the right
    assert (learnt - expected).abs().max() < 0.08


@pytest.mark.slow
def test_preset_equal_makes_learning_the_spread_useless() -> None:
    _, _, row = preset("equal", 300)
    assert row["held/mse"] <= row["held/gaussian"] + 0.01


@pytest.mark.slow
def test_preset_outliers_moves_means_and_hardly_medians() -> None:
    experiment, knobs, _ = preset("outliers", 300)
    off = off_the_truth(experiment, knobs)
    assert 0.4 < off["mse"] < 0.6
    assert 0.4 < off["gaussian"] < 0.6
    assert max(off["l1"], off["laplace"]) < 0.15


@pytest.mark.slow
def test_preset_laplace_is_won_by_the_loss_that_assumes_it() -> None:
    experiment, _, row = preset("laplace", 300)
    assert row["held/l1"] < row["held/mse"] - 0.04
    density = experiment._density("mse", experiment.held.x)
    inside = (experiment.held_y - density.centre).abs() < density.sigma()
    assert inside.float().mean().item() == pytest.approx(0.76, abs=0.03)


@pytest.mark.slow
def test_preset_convinced_leaves_squared_error_where_it_began() -> None:
    experiment, knobs, row = preset("convinced", 11)
    assert row["labels/cross-entropy"] < 1 < 5 < row["labels/squared"]
    run(experiment, knobs, 290)
    said = {
        name: model(experiment.drawn.x).softmax(1)[:, 1] for name, model in experiment.classifiers.items()
    }
    assert said["squared"].min() > 0.99
    assert said["cross-entropy"].min() < 0.2


@pytest.mark.slow
def test_preset_line_ends_on_the_same_line_with_either_gaussian_loss() -> None:
    experiment, _, _ = preset("line", 600)
    w, b = (parameter.item() for parameter in experiment.regressors["mse"].parameters())
    assert (w, b) == pytest.approx((0.8, 0.3), abs=0.05)
    weight, bias = experiment.regressors["gaussian"].parameters()
    assert (weight[0].item(), bias[0].item()) == pytest.approx((w, b), abs=0.01)


@pytest.mark.slow
def test_preset_few_makes_the_learnt_spread_certain_and_wrong() -> None:
    experiment, _, row = preset("few", 501)
    assert row["held/gaussian"] > 3 > 0 > row["held/truth"]
    training = regression_loss(
        "gaussian", experiment.regressors["gaussian"](experiment.drawn.x), experiment.y
    )
    assert training < row["held/truth"]  # surer of its points than the truth is


def test_what_is_said_of_the_losses_is_what_the_pictures_show() -> None:
    experiment, knobs = built(Losses)
    take(experiment, knobs, 20)
    picture, said = said_of(experiment, knobs, "spreads")
    ends = [rough(float(end)) for end in picture.values[0, :, -1]]
    assert [said["truth"], said["constant"], said["learnt"]] == ends
    picture, said = said_of(experiment, knobs, "calibration")
    apart = (picture.values[1:] - picture.values[0]).abs().amax(1).tolist()
    assert said["high"] == picture.series[1 + apart.index(max(apart))]
    assert said["least"] == rough(100 * min(apart))
    picture, said = said_of(experiment, knobs, "probabilities")
    away = (picture.values[0, 1:] - picture.values[0, 0]).abs().mean(1).tolist()
    assert said["squared"] == rough(away[1])
    picture, said = said_of(experiment, knobs, "residuals")
    slope = picture.values[1, :, -1]
    assert float(said["mse"]) == pytest.approx(float(slope[0]), rel=0.06)
    assert float(said["one"]) == pytest.approx(float(slope[2]), rel=0.06)


def test_no_share_is_told_of_a_network_of_no_numbers() -> None:
    experiment, knobs = driving.built(Losses)
    driving.break_weights(experiment)
    for panel in ("bands",):
        assert driving.look(experiment, knobs, panel).reading is None, panel
