"""The average against its closed form, and the panels against what they say of it."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from descent.experiments.optimisation.moving_average import (
    FIRST,
    KEPT,
    YEAR,
    AverageKnobs,
    MovingAverage,
    averages,
    corrected,
    truth_at,
)
from descent.kit.text import rough
from driving import built, said_of
from driving import take as run


def begun(seed: int = 0, **values: Any) -> tuple[MovingAverage, AverageKnobs]:
    return built(MovingAverage, seed, **values)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.98, 0.995])
def test_the_corrected_average_is_the_normalised_mean_with_weights_beta_to_the_age(beta: float) -> None:
    rows = run(*begun(beta=beta), 120)
    theta = np.array([row["temperature/observed"] for row in rows])
    for t in (1, 2, 30, 120):
        weights = beta ** np.arange(t - 1, -1, -1.0)  # of day 1, …, day t
        closed = (weights * theta[:t]).sum() / weights.sum()
        assert rows[t - 1]["temperature/corrected"] == pytest.approx(closed, rel=1e-9)
        assert rows[t - 1]["temperature/average"] == pytest.approx(closed * (1 - beta**t), rel=1e-9)


def test_of_a_constant_the_correction_is_exact_and_the_average_too_low() -> None:
    rows = run(*begun(**MovingAverage.presets["beginning"].knobs, noise=0.0), 10)
    assert all(row["temperature/corrected"] == pytest.approx(11.5) for row in rows)
    assert rows[9]["temperature/average"] == pytest.approx(0.183 * 11.5, rel=1e-2)


def test_a_new_beta_averages_all_days_anew() -> None:
    experiment, knobs = begun(beta=0.9)
    run(experiment, knobs, 60)
    knobs = knobs.model_copy(update={"beta": 0.5})
    experiment.changed(knobs, {"beta"})
    other, other_knobs = begun(beta=0.5)
    run(other, other_knobs, 60)
    for row, expected in zip(run(experiment, knobs, 5), run(other, other_knobs, 5), strict=True):
        assert row == pytest.approx(expected)
    np.testing.assert_allclose(experiment.temperature(knobs).values, other.temperature(other_knobs).values)


def test_what_is_forgotten_of_a_long_run_makes_no_difference() -> None:
    experiment, knobs = begun(beta=0.995)
    rows = run(experiment, knobs, KEPT + 500)
    assert len(experiment.theta) == KEPT
    shown = experiment.temperature(knobs)
    assert shown.x[-1] == KEPT + 500
    assert shown.values.shape == (1, 4, YEAR)
    told = [
        [row[f"temperature/{name}"] for row in rows[-YEAR:]] for name in ("truth", "average", "corrected")
    ]
    np.testing.assert_allclose(shown.values[0, :3], told, rtol=1e-7)
    assert experiment.bias(knobs).values.shape == (1, 4, FIRST)
    np.testing.assert_allclose(
        experiment.bias(knobs).values[0, 1], [row["temperature/average"] for row in rows[:FIRST]]
    )


def test_weather_is_the_same_whatever_the_truth_and_scales_with_the_noise() -> None:
    def weather(**values: Any) -> list[float]:
        rows = run(*begun(**values), 20)
        return [row["temperature/observed"] - row["temperature/truth"] for row in rows]

    assert weather(noise=2.0) == pytest.approx([2 * each for each in weather(noise=1.0, truth="jumps")])
    assert np.std([row["error/observed"] for row in run(*begun(), 10)]) > 0


def test_the_year_is_coldest_in_january_and_warmest_in_july() -> None:
    year = truth_at(np.arange(1.0, 366.0), "seasons")
    assert (year.argmin() + 1, year.min()) == (20, pytest.approx(5.0))
    assert (180 < year.argmax() < 215, year.max()) == (True, pytest.approx(18.0, abs=1e-3))


# The panels


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.98])
def test_the_bars_of_the_weights_are_one_minus_beta_times_beta_to_the_k(beta: float) -> None:
    experiment, knobs = begun(beta=beta)
    picture = experiment.weights(knobs)
    height = np.where(np.isnan(picture.values[0, 0]), picture.values[0, 1], picture.values[0, 0])
    np.testing.assert_allclose(height[::2], (1 - beta) * beta ** np.arange(len(height) // 2))
    assert height[::2].sum() == pytest.approx(1, abs=0.07)
    inside = np.isfinite(picture.values[0, 0]).sum() // 2
    assert inside == round(1 / (1 - beta))


def test_a_weight_a_window_old_is_about_a_third() -> None:
    for beta, expected in ((0.9, 0.349), (0.98, 0.364), (0.5, 0.25)):
        assert beta ** (1 / (1 - beta)) == pytest.approx(expected, abs=1e-3)
        experiment, knobs = begun(beta=beta)
        assert f"= {expected:.3f}" in experiment.weights(knobs).notes[0]


def plain(formula: str) -> str:
    """As Python writes it."""
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹·−", "0123456789*-")
    return re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda power: f"**{power[0]}", formula).translate(digits)


def test_the_formula_under_the_chart_is_true() -> None:
    experiment, knobs = begun(beta=0.9)
    run(experiment, knobs, 40)
    for note in (experiment.temperature(knobs).notes[0], experiment.bias(knobs).notes[0]):
        *_, numbers, value = plain(note).split(" = ")
        assert eval(numbers) == pytest.approx(float(value), rel=0.01)


def test_late_and_noise_add_up_to_the_whole_error() -> None:
    experiment, knobs = begun()
    run(experiment, knobs, 700)
    truth, smooth, noise = experiment._apart(knobs, 0.95)
    v_hat = corrected(averages(experiment.theta.tolist(), 0.95), 0.95)
    np.testing.assert_allclose(smooth + noise, v_hat)
    np.testing.assert_array_equal(truth[-YEAR:], experiment.temperature(knobs).values[0, 0])


def test_more_smoothing_is_later_and_lets_less_noise_through() -> None:
    experiment, knobs = begun()
    run(experiment, knobs, 1095)
    late, noise, both = experiment.trade_off(knobs).values[0]
    assert (np.diff(late) > 0).all()
    assert (np.diff(noise) < 0).all()
    assert (
        3 <= experiment.trade_off(knobs).x[both.argmin()] <= 20
    )  # the best is neither the least nor the most
    for beta in (0.5, 0.9, 0.98):  # independent noise shrinks to σ √((1 − β)/(1 + β))
        _, _, errors = experiment._apart(knobs, beta)
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(3 * math.sqrt((1 - beta) / (1 + beta)), rel=0.25)


def test_the_lag_is_measured_in_days() -> None:
    experiment, knobs = begun()
    run(experiment, knobs, 1095)
    table = experiment.numbers(knobs)
    lag = dict(zip(table.names, table.values[:, 1].tolist(), strict=True))
    assert lag["0"] == 0
    assert lag["0.5"] == 1
    assert lag["0.9"] == 9  # β/(1 − β), while that is short against a year
    for beta in (0.95, 0.98):
        omega = 2 * math.pi / 365
        delay = math.atan2(beta * math.sin(omega), 1 - beta * math.cos(omega)) / omega
        assert lag[f"{beta}"] == pytest.approx(delay, abs=2)


def test_where_the_truth_never_changes_there_is_no_lag_to_measure() -> None:
    experiment, knobs = begun(truth="constant")
    run(experiment, knobs, 300)
    assert np.isnan(experiment.numbers(knobs).values[:, 1]).all()


def test_what_is_said_of_the_averages_is_what_the_pictures_show() -> None:
    experiment, knobs = begun(beta=0.95)
    assert said_of(experiment, knobs, "temperature")[1] == {}
    assert said_of(experiment, knobs, "trade_off")[1] == {}
    run(experiment, knobs, 90)
    picture, said = said_of(experiment, knobs, "temperature")
    truth, _, v_hat, _ = picture.values[0]
    assert said["average"] == rough(float(np.sqrt(np.mean((v_hat - truth) ** 2))))
    assert said["day"] == rough(float(np.sqrt(np.mean((picture.dots[:, 3] - truth) ** 2))))
    picture, said = said_of(experiment, knobs, "weights")
    assert said == {"days": "20", "percent": rough(100 * float(np.nansum(picture.values[0, 0]) / 2))}
    picture, said = said_of(experiment, knobs, "several")
    away = np.sqrt(np.mean((picture.values[0, 1:] - picture.values[0, 0]) ** 2, 1)).tolist()
    names = picture.series[1:]
    assert (said["low"], said["high"]) == (names[np.argmin(away)], names[np.argmax(away)])
    picture, said = said_of(experiment, knobs, "trade_off")
    assert said == {"best": rough(float(picture.x[np.argmin(picture.values[0, 2])])), "now": "20"}
    assert said_of(experiment, knobs, "bias")[1] == {"day": 90, "percent": rough(100 * (1 - 0.95**90))}
    picture, said = said_of(experiment, knobs, "numbers")
    errors = picture.values[:, 3].tolist()
    assert (said["low"], said["least"]) == (picture.names[np.argmin(errors)], rough(min(errors)))
