"""The race: each optimizer against its paper's rule, the bounds on η, and who is in or out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from descent.engine.observe import look
from descent.experiments.optimisation.descent_2d import NAMES, TRAIL, Descent2D, DescentKnobs
from descent.kit.data.surfaces import STEEPEST, make_surface
from descent.kit.text import rough
from driving import built, change, said_of
from driving import take as run

SURFACES = ["bowl", "rosenbrock", "beale", "himmelblau", "saddle", "rastrigin"]
START = (-1.2, 1.0)
Vector = np.ndarray
Rule = Callable[[Vector, Callable[[Vector], Vector]], Iterator[Vector]]


def race(seed: int = 0, **knobs: Any) -> tuple[Descent2D, DescentKnobs]:
    return built(Descent2D, seed, **knobs)


def place(experiment: Descent2D, name: str) -> list[float]:
    point: list[float] = experiment.points[NAMES.index(name)].tolist()
    return point


# The surfaces


@pytest.mark.parametrize("name", SURFACES)
def test_every_known_minimum_is_a_strict_minimum_of_value_zero(name: Any) -> None:
    surface = make_surface(name)
    points = torch.tensor(surface.minima, dtype=torch.float64)
    gradient, hessian = surface.derivatives(points)
    assert surface.loss(points).abs().max() < 1e-20
    assert gradient.abs().max() < 1e-10
    assert torch.linalg.eigvalsh(hessian).min() > 0
    assert surface.grid(50).min() >= 0


@pytest.mark.parametrize(
    ("name", "point", "value"),
    [
        ("bowl", (1.0, 1.0), 110.0),
        ("rosenbrock", (0.0, 0.0), 1.0),
        ("beale", (0.0, 0.0), 1.5**2 + 2.25**2 + 2.625**2),
        ("himmelblau", (-0.270845, -0.923039), 181.617),
        ("saddle", (0.0, 0.0), 5.0),
        ("rastrigin", (0.5, 1.0), 0.25 + 1.0 + 20.0),
    ],
)
def test_surfaces_have_their_known_values(name: Any, point: tuple[float, float], value: float) -> None:
    loss = make_surface(name).loss(torch.tensor(point, dtype=torch.float64))
    assert float(loss) == pytest.approx(value, rel=1e-5)


def test_derivatives_agree_with_the_closed_form() -> None:
    x, y = START
    gradient, hessian = make_surface("rosenbrock").derivatives(torch.tensor([START], dtype=torch.float64))
    np.testing.assert_allclose(gradient[0], rosenbrock_gradient(np.array(START)))
    np.testing.assert_allclose(hessian[0], [[2 - 400 * (y - 3 * x**2), -400 * x], [-400 * x, 200]])


def test_condition_number_is_the_ratio_of_the_curvatures() -> None:
    _, hessian = make_surface("bowl", 50.0).derivatives(torch.zeros(1, 2, dtype=torch.float64))
    np.testing.assert_allclose(hessian[0], [[STEEPEST / 50, 0], [0, STEEPEST]])


def test_grid_puts_the_lowest_y_first_and_includes_both_ends() -> None:
    surface = make_surface("rosenbrock")
    grid = surface.grid(5)
    (left, right), (low, high) = surface.x, surface.y
    corners = torch.tensor([[left, low], [right, high], [right, low]], dtype=torch.float64)
    assert torch.equal(torch.stack([grid[0, 0], grid[-1, -1], grid[0, -1]]), surface.loss(corners))


# The optimizers, each written down from its paper


def rosenbrock_gradient(point: Vector) -> Vector:
    x, y = point
    return np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])


def sgd(theta: Vector, grad: Callable[[Vector], Vector], lr: float = 5e-4) -> Iterator[Vector]:
    while True:
        theta = theta - lr * grad(theta)
        yield theta


def momentum(theta: Vector, grad: Callable[[Vector], Vector], lr: float = 5e-4) -> Iterator[Vector]:
    v = np.zeros(2)
    while True:
        v = 0.9 * v + grad(theta)
        theta = theta - lr * v
        yield theta


def nag(theta: Vector, grad: Callable[[Vector], Vector], lr: float = 5e-4) -> Iterator[Vector]:
    """Sutskever et al. 2013, eq. 3 and 4: the gradient is taken at the looked-ahead point, which is kept."""
    behind, v = theta, np.zeros(2)
    while True:
        v = 0.9 * v - lr * grad(behind + 0.9 * v)
        behind = behind + v
        yield behind + 0.9 * v


def adagrad(theta: Vector, grad: Callable[[Vector], Vector], lr: float = 0.2) -> Iterator[Vector]:
    s = np.zeros(2)
    while True:
        g = grad(theta)
        s = s + g**2
        theta = theta - lr * g / (np.sqrt(s) + 1e-10)
        yield theta


def adadelta(theta: Vector, grad: Callable[[Vector], Vector], lr: float = 1.0) -> Iterator[Vector]:
    s, u = np.zeros(2), np.zeros(2)
    while True:
        g = grad(theta)
        s = 0.9 * s + 0.1 * g**2
        delta = -np.sqrt(u + 1e-6) / np.sqrt(s + 1e-6) * g
        u = 0.9 * u + 0.1 * delta**2
        theta = theta + lr * delta
        yield theta


def rmsprop(theta: Vector, grad: Callable[[Vector], Vector], lr: float = 0.01) -> Iterator[Vector]:
    s = np.zeros(2)
    while True:
        g = grad(theta)
        s = 0.9 * s + 0.1 * g**2
        theta = theta - lr * g / (np.sqrt(s) + 1e-8)
        yield theta


def adam(theta: Vector, grad: Callable[[Vector], Vector], lr: float = 0.03) -> Iterator[Vector]:
    m, s, n = np.zeros(2), np.zeros(2), 0
    while True:
        g, n = grad(theta), n + 1
        m = 0.9 * m + 0.1 * g
        s = 0.999 * s + 0.001 * g**2
        theta = theta - lr * (m / (1 - 0.9**n)) / (np.sqrt(s / (1 - 0.999**n)) + 1e-8)
        yield theta


@pytest.mark.parametrize("rule", [sgd, momentum, nag, adagrad, adadelta, rmsprop, adam])
def test_each_racer_follows_its_papers_rule(rule: Rule) -> None:
    experiment, knobs = race(surface="rosenbrock", start=START)
    expected = rule(np.array(START), rosenbrock_gradient)
    for _ in range(80):
        run(experiment, knobs, 1)
        np.testing.assert_allclose(place(experiment, rule.__name__), next(expected), rtol=1e-9, atol=1e-9)


# The bound on η


@pytest.mark.parametrize("name", ["sgd", "momentum", "nag"])
def test_eta_just_below_its_bound_converges_and_just_above_diverges(name: str) -> None:
    shown = look(*race(), "bounds")
    bound = float(
        shown.values[1, shown.labels.index({"sgd": "SGD", "momentum": "Momentum", "nag": "NAG"}[name])]
    )
    if name == "sgd":
        assert bound == pytest.approx(2 / STEEPEST)
    below = run(*race(racers=[name], **{f"lr_{name}": 0.99 * bound}), 500)
    above = run(*race(racers=[name], **{f"lr_{name}": 1.01 * bound}), 500)
    assert below[-1].get(f"loss/{name}", 0.0) < 1e-2
    assert math.isnan(above[-1][f"loss/{name}"])


def test_where_the_surface_curves_down_there_is_no_bound() -> None:
    experiment, knobs = race(surface="rastrigin", start=(0.5, 0.5))
    assert torch.isnan(look(experiment, knobs, "bounds").values[1]).all()


# The Taylor view


def test_predicted_change_is_minus_eta_times_the_squared_gradient() -> None:
    experiment, knobs = race(surface="rosenbrock", start=START)
    gradient = rosenbrock_gradient(np.array(START))
    (row,) = run(experiment, knobs, 1)
    assert row["taylor/predicted"] == pytest.approx(-5e-4 * float(gradient @ gradient), rel=1e-9)
    before, after = (
        experiment.landscape.loss(torch.tensor(point, dtype=torch.float64))
        for point in (START, place(experiment, "sgd"))
    )
    assert row["taylor/actual"] == pytest.approx(float(after - before), rel=1e-9)


def test_actual_change_approaches_the_predicted_one_as_eta_falls() -> None:
    errors = []
    for lr in (1e-3, 1e-4, 1e-5):
        (row,) = run(*race(surface="beale", start=(1.0, 1.6), lr_sgd=lr), 1)
        errors.append(abs(row["taylor/actual"] / row["taylor/predicted"] - 1))
    assert errors[1] < 0.15 * errors[0]
    assert errors[2] < 0.15 * errors[1] < 1e-2


def test_two_taylor_terms_are_exact_on_the_bowl() -> None:
    experiment, knobs = race(lr_sgd=0.012)
    first, second, both, actual = look(experiment, knobs, "taylor_terms").values[0].tolist()
    assert first < 0 < second
    assert both == pytest.approx(first + second)
    (row,) = run(experiment, knobs, 1)
    assert row["taylor/predicted"] == pytest.approx(first)
    assert row["taylor/actual"] == pytest.approx(actual) == pytest.approx(both)


# Knobs that change while it runs


def test_changing_eta_keeps_adams_moments() -> None:
    experiment, knobs = race(surface="rosenbrock", start=START)
    run(experiment, knobs, 30)
    rule = adam(np.array(START), rosenbrock_gradient)
    for _ in range(30):
        before = next(rule)
    state = experiment.optimizers[NAMES.index("adam")].state[experiment.points[NAMES.index("adam")]]
    moments = state["exp_avg"].clone()
    knobs = change(experiment, knobs, lr_adam=0.06, lr=0.5)
    assert torch.equal(state["exp_avg"], moments)
    np.testing.assert_allclose(place(experiment, "adam"), before, rtol=1e-9)
    run(experiment, knobs, 30)  # 0.06 · 0.5 = 0.03: the same rule goes on as if nothing had changed
    for _ in range(30):
        after = next(rule)
    np.testing.assert_allclose(place(experiment, "adam"), after, rtol=1e-9)


def test_a_new_eta_scales_the_very_next_step() -> None:
    lengths = []
    for lr in (1.0, 3.0):
        experiment, knobs = race()
        run(experiment, knobs, 20)
        lengths.append(run(experiment, change(experiment, knobs, lr=lr), 1)[0])
    for name in NAMES:
        assert lengths[1][f"step/{name}"] == pytest.approx(3 * lengths[0][f"step/{name}"])


def test_coefficients_reach_the_optimizers_they_are_named_for() -> None:
    experiment, knobs = race()
    change(experiment, knobs, momentum=0.5, decay=0.7)
    groups = {name: experiment.optimizers[i].param_groups[0] for i, name in enumerate(NAMES)}
    assert [groups[name]["momentum"] for name in ("sgd", "momentum", "nag", "rmsprop")] == [0, 0.5, 0.5, 0]
    assert groups["adadelta"]["rho"] == groups["rmsprop"]["alpha"] == 0.7


@pytest.mark.parametrize("values", [{"start": (2.0, -1.0)}, {"surface": "himmelblau"}, {"condition": 30.0}])
def test_a_new_start_or_surface_starts_the_race_again(values: dict[str, Any]) -> None:
    experiment, knobs = race(lr_sgd=0.02)
    run(experiment, knobs, 60)
    assert math.isnan(place(experiment, "sgd")[0])
    knobs = change(experiment, knobs, lr_sgd=1e-4, **values)
    assert look(experiment, knobs, "surface").paths.shape == (7, 1, 2)
    assert all(place(experiment, name) == list(knobs.start) for name in NAMES)
    fresh, _ = race(**knobs.model_dump())
    rows = run(experiment, knobs, 20)
    assert rows == run(fresh, knobs, 20)
    assert set(rows[0]) >= {f"loss/{name}" for name in NAMES}


def test_the_condition_number_leaves_other_surfaces_alone() -> None:
    experiment, knobs = race(surface="beale")
    run(experiment, knobs, 5)
    change(experiment, knobs, condition=30.0)
    assert experiment.race_steps == 5


def test_a_racer_can_leave_and_come_back_to_the_start() -> None:
    experiment, knobs = race()
    run(experiment, knobs, 5)
    knobs = change(experiment, knobs, racers=["sgd", "adagrad"])
    assert {name for row in run(experiment, knobs, 5) for name in row if name.startswith("loss")} == {
        "loss/sgd",
        "loss/adagrad",
    }
    kept = place(experiment, "sgd")
    knobs = change(experiment, knobs, racers=["sgd", "adam"])
    assert place(experiment, "sgd") == kept
    assert place(experiment, "adam") == list(knobs.start)
    (row,) = run(experiment, knobs, 1)
    assert row["step/adam"] == pytest.approx(0.03 * math.sqrt(2), rel=1e-6)  # Adam's first step: η each way


@pytest.mark.slow
def test_noise_frees_the_racers_from_the_saddle() -> None:
    still = run(*race(surface="saddle", start=(-1.5, 0.0)), 600)
    noisy = run(*race(surface="saddle", start=(-1.5, 0.0), noise=0.1), 600)
    assert all(still[-1][f"loss/{name}"] >= 5.0 - 1e-9 for name in NAMES)
    assert all(noisy[-1][f"loss/{name}"] < 5.0 for name in NAMES if name != "sgd")


def test_a_start_off_the_map_is_refused() -> None:
    with pytest.raises(ValidationError, match="start"):
        DescentKnobs(start=(7.0, 0.0))


# Who is out


def test_a_racer_that_flies_off_leaves_the_others_as_they_were() -> None:
    experiment, knobs = race(lr_sgd=0.015)
    rows = run(experiment, knobs, 100)
    others = [name for name in NAMES if name != "sgd"]
    calm = run(*race(racers=others), 100)
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert not {name for name in rows[-1] if "sgd" in name or "taylor" in name}
    assert [{k: v for k, v in row.items() if "sgd" not in k and "taylor" not in k} for row in rows] == calm
    picture = look(experiment, knobs, "surface")
    ended = torch.isnan(picture.paths[0]).any(1)  # (T,)
    assert not ended[0]
    assert ended[-1]
    assert not torch.isnan(picture.paths[1:]).any()
    assert torch.equal(torch.isnan(picture.heights[0]), ended)


@pytest.mark.parametrize("surface", SURFACES)
def test_even_absurd_rates_put_out_racers_only(surface: Any) -> None:
    experiment, knobs = race(surface=surface, lr=100.0)
    rows = run(experiment, knobs, 30)
    going = [row for row in rows if not all(math.isnan(value) for value in row.values())]
    assert all(math.isfinite(value) for row in going for value in row.values())


def test_when_the_last_racer_is_out_the_loss_is_not_finite() -> None:
    experiment, knobs = race(racers=["sgd", "nag"], lr=100.0)
    rows = run(experiment, knobs, 10)
    assert all(math.isfinite(value) for value in rows[0].values())
    assert rows[-1].keys() == {"loss/sgd", "loss/nag"}
    assert all(math.isnan(value) for value in rows[-1].values())
    change(experiment, knobs, lr=1.0, start=(1.0, 1.0))
    assert len(experiment.racing) == 2


def test_with_nobody_entered_nothing_is_measured() -> None:
    experiment, knobs = race(racers=[])
    assert run(experiment, knobs, 3) == [{}, {}, {}]
    for panel in ("surface", "taylor_terms", "bounds"):
        look(experiment, knobs, panel)


# The path, and looking at it


def test_the_path_holds_the_latest_points_oldest_first() -> None:
    experiment, knobs = race(surface="rosenbrock", racers=["sgd"], start=START)
    visited = [list(START)]
    for _ in range(TRAIL + 7):
        run(experiment, knobs, 1)
        visited.append(place(experiment, "sgd"))
    picture = look(experiment, knobs, "surface")
    assert picture.paths[0].tolist() == visited[-TRAIL:]
    assert torch.equal(picture.heights[0], experiment.landscape.loss(picture.paths[0]))


def test_the_same_seed_gives_the_same_race_watched_or_not() -> None:
    def rows(seed: int, watched: bool) -> list[dict[str, float]]:
        experiment, knobs = race(seed, noise=1.0)
        found = []
        for _ in range(50):
            found += run(experiment, knobs, 1)
            if watched:
                for panel in ("surface", "taylor_terms", "bounds"):
                    look(experiment, knobs, panel)
        return found

    assert rows(3, watched=False) == rows(3, watched=True)
    assert rows(3, watched=False) != rows(4, watched=False)


def test_the_picture_says_who_is_out_and_who_never_entered() -> None:
    experiment, knobs = race(lr_sgd=1.0, racers=["sgd", "adam"])
    run(experiment, knobs, 200)
    out = dict(zip(NAMES, experiment.surface(knobs).out, strict=True))
    assert [name for name, left in out.items() if left] == ["sgd"]


def test_what_is_said_of_the_race_and_of_the_bounds_is_drawn() -> None:
    experiment, knobs = built(Descent2D)
    run(experiment, knobs, 5)
    picture, said = said_of(experiment, knobs, "surface")
    now = picture.heights[:, -1].tolist()
    assert said["low"] == picture.names[np.argmin(now)]
    assert said["high"] == picture.names[np.argmax(now)]
    assert (said["least"], said["most"]) == (rough(min(now)), rough(max(now)))
    terms, said = said_of(experiment, knobs, "taylor_terms")
    assert said == {"percent": rough(100 * float(-terms.values[0, 1] / terms.values[0, 0]))}
    bars, said = said_of(experiment, knobs, "bounds")
    shares = (100 * bars.values[0] / bars.values[1]).tolist()
    assert (said["high"], said["most"]) == (bars.labels[np.argmax(shares)], rough(max(shares)))


def test_nothing_is_said_of_racers_that_are_out() -> None:
    experiment, knobs = built(Descent2D, lr=100.0, racers=["sgd", "momentum"])
    run(experiment, knobs, 50)
    assert experiment.gone()[0]
    for panel in ("surface", "taylor_terms", "bounds"):
        assert said_of(experiment, knobs, panel)[1] == {}
