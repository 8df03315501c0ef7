"""The learning rate: Taylor's terms, the curvature, the sweep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from descent.engine.observe import look
from descent.experiments.optimisation.learning_rate import (
    BLOWN,
    PATIENCE,
    RATES,
    LearningRate,
    RateKnobs,
    loss_of,
    network,
    sweep,
    taylor,
)
from descent.kit.text import rough
from driving import built, said_of

PROBES = ["rates", "fit", "factors", "along"]


def make(seed: int = 0, **knobs: Any) -> tuple[LearningRate, RateKnobs]:
    return built(LearningRate, seed, **knobs)


def run(experiment: LearningRate, knobs: RateKnobs, steps: int) -> list[dict[str, float]]:
    """The scalars of so many steps, or of those up to the one that diverges."""
    rows = []
    for _ in range(steps):
        rows.append({name: float(value) for name, value in experiment.step(knobs).items()})
        experiment.step_index += 1
        if not rows[-1]["loss/train"] < torch.finfo(torch.float32).max:
            break
    return rows


# The network and its derivatives


def test_the_network_is_two_linear_layers_with_tanh_between() -> None:
    θ = torch.randn(13, generator=torch.Generator().manual_seed(0), dtype=torch.float64)  # D = 4
    x = torch.linspace(-2, 2, 7, dtype=torch.float64)
    hidden, output = torch.nn.Linear(1, 4).double(), torch.nn.Linear(4, 1).double()
    with torch.no_grad():
        hidden.weight[:, 0], hidden.bias[:] = θ[:4], θ[4:8]
        output.weight[0], output.bias[:] = θ[8:12], θ[12:]
        expected = output(torch.tanh(hidden(x[:, None])))[:, 0]
    torch.testing.assert_close(network(θ, x), expected)
    torch.testing.assert_close(network(torch.stack([θ, 2 * θ]), x)[0], expected)
    y = x.sin()
    torch.testing.assert_close(loss_of(θ, x, y), torch.nn.functional.mse_loss(expected, y))


def test_the_gradient_and_the_hessian_are_those_of_differences() -> None:
    experiment, _ = make(hidden=3)
    here = taylor(experiment.first, experiment.x, experiment.y)
    h = 1e-5
    for i in range(len(experiment.first)):
        step = torch.zeros_like(experiment.first)
        step[i] = h
        ahead, behind = (taylor(experiment.first + s, experiment.x, experiment.y) for s in (step, -step))
        assert here.g[i].item() == pytest.approx((ahead.loss - behind.loss).item() / (2 * h), abs=1e-8)
        torch.testing.assert_close(here.H[i], (ahead.g - behind.g) / (2 * h), rtol=1e-6, atol=1e-8)


def test_taylors_error_falls_with_the_cube_of_the_rate() -> None:
    errors = []
    for lr in (0.02, 0.01, 0.005):
        (row,) = run(*make(lr=lr), 1)
        errors.append(abs(row["taylor/actual"] - row["taylor/first"] - row["taylor/second"]))
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(8, rel=0.1)


def test_the_scalars_of_a_step_are_its_terms() -> None:
    experiment, knobs = make(lr=0.2)
    here = experiment._here()
    first, second = run(experiment, knobs, 2)
    assert first["taylor/first"] == pytest.approx(-0.2 * float(here.g @ here.g))
    assert first["taylor/second"] == pytest.approx(0.5 * 0.2**2 * float(here.g @ here.H @ here.g))
    assert first["taylor/actual"] == pytest.approx(second["loss/train"] - first["loss/train"])
    assert first["rate/edge"] == pytest.approx(2 / np.linalg.eigvalsh(here.H.numpy())[-1])


# Pictures


def test_the_coming_step_is_the_one_that_is_taken() -> None:
    experiment, knobs = make(lr=0.3)
    run(experiment, knobs, 10)
    picture = look(experiment, knobs, "along")
    (now, after, parabola) = picture.dots.tolist()
    (row,) = run(experiment, knobs, 1)
    assert now[3] == pytest.approx(row["loss/train"])
    assert after[2:] == pytest.approx([0.3, row["loss/train"] + row["taylor/actual"]])
    promised = row["taylor/first"] + row["taylor/second"]
    assert parabola[3] == pytest.approx(row["loss/train"] + promised)
    # The dots lie on their curves.
    for dot, curve in ((after, 0), (parabola, 2)):
        assert np.interp(0.3, picture.x, picture.values[0, curve]) == pytest.approx(dot[3], rel=1e-3)


def test_the_tangent_and_the_parabola_touch_the_loss_where_the_step_begins() -> None:
    picture = look(*make(), "along")
    true, slope, curve = picture.values[0]
    assert true[0] == slope[0] == curve[0]
    gap = (true - curve).abs() / (true - slope).abs()
    assert gap[1] < 0.05  # the parabola hugs the curve more closely than the tangent does


def test_the_factors_are_those_of_the_steepest_directions() -> None:
    experiment, knobs = make(lr=0.4)
    λ = torch.linalg.eigvalsh(experiment._here().H).flip(0)[:8]
    torch.testing.assert_close(look(experiment, knobs, "factors").values[0], 1 - 0.4 * λ)


@pytest.mark.parametrize("i", [0, 20, 30, 33])
def test_the_sweep_arrives_where_a_run_at_that_rate_does(i: int) -> None:
    experiment, knobs = make(seed=2, lr=RATES[i])
    picture = look(experiment, knobs, "rates")
    rows = run(experiment, knobs, PATIENCE[0] + 1)
    assert picture.values[0, 0, i].item() == pytest.approx(rows[0]["loss/train"])
    assert picture.values[0, 1, i].item() == pytest.approx(rows[PATIENCE[0]]["loss/train"], rel=1e-6)


def test_the_sweep_falls_to_a_valley_and_ends_at_a_wall() -> None:
    experiment, _ = make()
    few, many = sweep(*(tuple(part.tolist()) for part in (experiment.first, experiment.x, experiment.y)))
    start = experiment._loss(experiment.first).item()
    assert few[0].item() == pytest.approx(start, rel=1e-3)
    assert many.min() < 0.1 * start
    assert (few >= many)[:25].all()
    assert (many[-7:] == BLOWN).all()
    assert not (many[:-9] == BLOWN).any()


def test_after_it_has_blown_up_it_can_still_be_looked_at() -> None:
    experiment, knobs = make(lr=10.0)
    rows = run(experiment, knobs, 100)
    assert len(rows) < 20
    assert all(math.isfinite(value) for row in rows for value in row.values())
    for panel in PROBES:
        look(experiment, knobs, panel)
    with torch.no_grad():
        experiment.network.θ.fill_(math.inf)
    for panel in PROBES:
        look(experiment, knobs, panel)


def test_a_new_rate_moves_no_parameter_and_scales_the_very_next_step() -> None:
    moved = []
    for lr in (0.1, 0.2):
        experiment, knobs = make()
        run(experiment, knobs, 20)
        before = experiment.network.θ.detach().clone()
        knobs = RateKnobs(lr=lr)
        experiment.changed(knobs, {"lr"})
        assert torch.equal(before, experiment.network.θ)
        run(experiment, knobs, 1)
        moved.append(experiment.network.θ.detach() - before)
    torch.testing.assert_close(moved[1], 2 * moved[0])


def test_what_is_said_is_what_the_pictures_show() -> None:
    experiment, knobs = make(lr=0.35)
    picture, said = said_of(experiment, knobs, "rates")
    lowest = picture.values[0, 2]
    assert said["best"] == rough(float(picture.x[lowest.argmin()]))
    assert said["least"] == rough(float(lowest.min()))
    assert said["now"] == rough(float(picture.dots[0, 3]))
    bars, said = said_of(experiment, knobs, "factors")
    factors = bars.values[0].tolist()
    assert said["swing"] == sum(-1 <= factor < 0 for factor in factors) > 0
    assert said["grow"] == sum(abs(factor) > 1 for factor in factors)
    fit, said = said_of(experiment, knobs, "fit")
    x, y = fit.dots[:, 2], fit.dots[:, 3]
    for name, curve in zip(("now", "then"), fit.values[0], strict=True):
        away = np.interp(x, fit.x, curve.detach()) - y.numpy()
        assert float(said[name]) == pytest.approx(float(np.sqrt(np.mean(away**2))), rel=0.06)


def test_nothing_is_said_of_a_loss_that_has_blown_up() -> None:
    experiment, knobs = make(lr=10.0)
    for _ in range(60):
        experiment.step(knobs)
    for panel in ("rates", "fit"):
        assert said_of(experiment, knobs, panel)[1] == {}


def test_the_best_step_along_the_line_is_the_curves_lowest_point() -> None:
    experiment, knobs = make()
    picture, said = said_of(experiment, knobs, "along")
    curve = np.asarray(picture.values)[0, 0]
    place = int(np.nanargmin(curve))
    assert said == {"best": rough(float(picture.x[place])), "lowest": rough(float(curve[place]))}
    with torch.no_grad():
        experiment.network.θ.fill_(math.nan)
    experiment.step_index += 1
    assert said_of(experiment, knobs, "along")[1] == {}
