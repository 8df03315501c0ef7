"""Each rule against torch.optim, the map against the networks it pictures."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from descent.engine.checkpoint import Checkpointer
from descent.engine.objectives.optimizers import bound, preconditioner
from descent.experiments.optimisation.optimizers import (
    LAST,
    NAMES,
    RACERS,
    RECORDED,
    Optimizers,
    OptimizersKnobs,
    losses_of,
)
from descent.kit.extremes import extremes
from descent.kit.nn.plane import through
from descent.kit.text import rough
from driving import built, said_of
from driving import take as run


def race(seed: int = 0, **values: Any) -> tuple[Optimizers, OptimizersKnobs]:
    return built(Optimizers, seed, **values)


def look(experiment: Optimizers, knobs: OptimizersKnobs, panel: str) -> Any:
    with torch.no_grad():
        return getattr(experiment, panel)(knobs)


# The rules

TORCH: dict[str, Any] = {
    "sgd": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "nag": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (optim.Adagrad, {}),
    "adadelta": (optim.Adadelta, {"rho": 0.99}),
    "rmsprop": (optim.RMSprop, {"alpha": 0.99}),
    "adam": (optim.Adam, {"betas": (0.9, 0.99)}),
    "adamw": (optim.AdamW, {"betas": (0.9, 0.99)}),
}


def pair(name: str, weight_decay: float) -> tuple[nn.Module, optim.Optimizer, nn.Module, optim.Optimizer]:
    """One network under the rule of the file, a copy of it under torch's."""
    torch.manual_seed(1)
    ours = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    theirs = copy.deepcopy(ours)
    lr = OptimizersKnobs().model_dump()[f"lr_{name}"] / 10
    cls, settings = TORCH[name]
    expected = cls(theirs.parameters(), lr=lr, weight_decay=weight_decay, **settings)
    coefficients = {**RACERS[name].coefficients, **settings}
    rule = RACERS[name].rule(ours.parameters(), lr, weight_decay, **coefficients)
    return ours, rule, theirs, expected


@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_each_rule_is_torchs_over_many_steps(name: str, weight_decay: float) -> None:
    ours, rule, theirs, expected = pair(name, weight_decay)
    generator = torch.Generator().manual_seed(2)
    for n in range(200):
        x = torch.randn(8, 5, generator=generator, dtype=torch.float64)
        y = torch.randint(3, (8,), generator=generator)
        for model, optimizer in ((ours, rule), (theirs, expected)):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            if n == 100:  # the settings may change at any step
                optimizer.param_groups[0]["lr"] /= 2
        torch.testing.assert_close(
            parameters_to_vector(ours.parameters()),
            parameters_to_vector(theirs.parameters()),
            rtol=0,
            atol=1e-6,
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_finds_in_each_rule_what_it_finds_in_torchs(name: str) -> None:
    ours, rule, theirs, expected = pair(name, 0.0)
    x = torch.randn(8, 5, dtype=torch.float64)
    for _ in range(3):
        for model, optimizer in ((ours, rule), (theirs, expected)):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    assert bound(rule) == bound(expected)
    found, known = (
        preconditioner(optimizer, list(model.parameters()))
        for model, optimizer in ((ours, rule), (theirs, expected))
    )
    assert (found is None) == (known is None) == (name in ("sgd", "momentum", "nag"))
    if found and known:
        torch.testing.assert_close(found, known)


def test_without_weight_decay_adamw_is_adam_and_with_it_is_not() -> None:
    rows = run(*race(), 20)
    assert all(row["loss/adamw"] == row["loss/adam"] for row in rows)
    rows = run(*race(weight_decay=0.01), 20)
    assert rows[-1]["loss/adamw"] != rows[-1]["loss/adam"]


# The race


def test_everybody_sees_the_same_network_and_batch_first() -> None:
    (first,) = run(*race(), 1)
    assert len(first) == 8
    assert len(set(first.values())) == 1


def test_knobs_reach_the_rules_and_leave_their_buffers() -> None:
    experiment, knobs = race()
    run(experiment, knobs, 3)
    adam = experiment.optimizers[NAMES.index("adam")]
    before = {name: copy.deepcopy(value) for name, value in next(iter(adam.state.values())).items()}
    changed = knobs.model_copy(update={"lr": 2.0, "momentum": 0.5, "beta2": 0.7, "weight_decay": 0.1})
    experiment.changed(changed, {"lr", "momentum", "beta2", "weight_decay"})
    after = next(iter(adam.state.values()))
    assert all(torch.equal(torch.as_tensor(after[name]), torch.as_tensor(before[name])) for name in before)
    groups = {name: experiment.optimizers[i].param_groups[0] for i, name in enumerate(NAMES)}
    assert groups["adam"]["betas"] == groups["adamw"]["betas"] == (0.5, 0.7)
    assert groups["rmsprop"]["alpha"] == groups["adadelta"]["rho"] == 0.7
    assert groups["nag"]["momentum"] == groups["momentum"]["momentum"] == 0.5
    assert all(group["weight_decay"] == 0.1 for group in groups.values())
    assert [groups[name]["lr"] for name in NAMES] == [2 * getattr(knobs, f"lr_{name}") for name in NAMES]


def test_a_racer_that_breaks_is_out_and_the_others_go_on_as_they_would() -> None:
    experiment, knobs = race(lr_sgd=2.0)
    broken, broken_knobs = race(lr_sgd=2.0)
    run(experiment, knobs, 2)
    run(broken, broken_knobs, 2)
    with torch.no_grad():
        next(broken.models[NAMES.index("sgd")].parameters()).fill_(math.inf)
    rows, expected = run(broken, broken_knobs, 3), run(experiment, knobs, 3)
    for row, whole in zip(rows, expected, strict=True):
        assert row == {name: value for name, value in whole.items() if name != "loss/sgd"}
    picture = look(broken, broken_knobs, "surface")
    assert picture.out == [name == "sgd" for name in NAMES]
    assert torch.isfinite(picture.values).all()
    assert "SGD" not in broken.objectives(broken_knobs)


def test_when_the_last_racer_is_out_the_losses_are_not_finite() -> None:
    experiment, knobs = race()
    for model in experiment.models:
        with torch.no_grad():
            next(model.parameters()).fill_(math.nan)
    for row in run(experiment, knobs, 2):
        assert set(row) == {f"loss/{name}" for name in NAMES}
        assert all(math.isnan(value) for value in row.values())


# Time


def test_time_is_measured_but_no_part_of_the_runs_state() -> None:
    experiment, knobs = race()
    checkpointer = Checkpointer(experiment)
    assert np.isnan(look(experiment, knobs, "times").values).all()
    run(experiment, knobs, 5)
    assert (look(experiment, knobs, "times").values > 0).all()
    kept = checkpointer.take()
    assert b'\\"moved\\"' in kept
    assert b'\\"clock\\"' not in kept


def test_losses_by_second_are_those_by_step_stretched() -> None:
    experiment, knobs = race()
    run(experiment, knobs, 30)
    means = np.outer(np.arange(1, 9), [0.4e-3, 0.6e-3])
    experiment.clock.means = lambda: means  # type: ignore[method-assign]
    picture = look(experiment, knobs, "by_second")
    assert picture.x[-1] == pytest.approx(30 * 8e-3)
    for i, values in enumerate(picture.values[0]):
        steps = picture.x / (1e-3 * (1 + i))
        known = steps <= 30 + 1e-6
        assert np.isnan(values[~known]).all()
        expected = np.interp(steps[known], range(31), experiment.heights[:31, i])
        np.testing.assert_allclose(values[known], expected, rtol=1e-5)


def test_each_rule_keeps_as_many_numbers_as_its_formula_names() -> None:
    experiment, knobs = race()
    run(experiment, knobs, 1)
    found = dict(zip(NAMES, look(experiment, knobs, "memory").values[0].tolist(), strict=True))
    one, two = ("momentum", "nag", "adagrad", "rmsprop"), ("adadelta", "adam", "adamw")
    assert found == {"sgd": 0, **dict.fromkeys(one, 1), **dict.fromkeys(two, 2)}


# The map


def test_the_plane_is_that_of_the_singular_value_decomposition() -> None:
    points = torch.randn(20, 50, generator=torch.Generator().manual_seed(0)) * torch.logspace(1, -1, 50)
    plane = through(points)
    _, s, v = torch.linalg.svd(points - points.mean(0))
    torch.testing.assert_close(plane.axes @ plane.axes.T, torch.eye(2), atol=1e-5, rtol=0)
    torch.testing.assert_close((plane.axes @ v[:2].T).abs(), torch.eye(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(plane.shares[:20], s**2 / (s**2).sum(), atol=1e-4, rtol=0)
    assert (plane.project(points[0]) <= 0).all()


def test_the_grid_reaches_from_corner_to_corner_and_comes_back_where_it_was() -> None:
    plane = through(torch.randn(6, 9, generator=torch.Generator().manual_seed(0)))
    places = plane.project(plane.grid(5)).view(5, 5, 2)
    for (row, column), (x, y) in {(0, 0): (0, 0), (0, -1): (1, 0), (-1, 0): (0, 1)}.items():
        expected = torch.tensor([plane.x[x], plane.y[y]])
        torch.testing.assert_close(places[row, column], expected, atol=1e-4, rtol=1e-4)


def test_points_without_two_directions_still_get_a_plane() -> None:
    for points in (torch.ones(4, 7), torch.arange(4.0)[:, None] * torch.ones(7)):
        plane = through(points)
        torch.testing.assert_close(plane.axes @ plane.axes.T, torch.eye(2), atol=1e-5, rtol=0)
        assert plane.x[0] < plane.x[1]
        assert plane.y[0] < plane.y[1]


def loss_at(experiment: Optimizers, theta: Tensor) -> Tensor:
    model = copy.deepcopy(experiment.models[0]).requires_grad_(False)
    vector_to_parameters(theta, model.parameters())
    return F.cross_entropy(model(experiment.inputs), experiment.labels)


def test_heights_and_map_are_the_networks_real_losses() -> None:
    experiment, knobs = race(spread=30.0)
    run(experiment, knobs, 12)
    theta = torch.stack([parameters_to_vector(m.parameters()) for m in experiment.models]).detach()
    expected = torch.stack([loss_at(experiment, each) for each in theta])
    torch.testing.assert_close(losses_of(theta, experiment.inputs, experiment.labels), expected)
    picture = look(experiment, knobs, "surface")
    torch.testing.assert_close(picture.heights[:, -1], expected)
    laid = experiment._map(knobs)
    side = len(laid.values)
    for cell in (0, side + 3, side * side - 1):
        expected = loss_at(experiment, laid.plane.grid(side)[cell])
        torch.testing.assert_close(picture.values.flatten()[cell], expected)


@pytest.mark.slow
def test_paths_keep_every_other_point_when_they_are_full() -> None:
    experiment, knobs = race(batch_size=4)
    visited = [experiment.history[0, 2].clone()]
    for _ in range(RECORDED + 5):
        run(experiment, knobs, 1)
        visited.append(parameters_to_vector(experiment.models[2].parameters()).detach().clone())
    assert (experiment.stride, experiment.recorded) == (2, RECORDED // 2 + 3)
    kept = experiment.history[: experiment.recorded, 2]
    assert torch.equal(kept, torch.stack(visited[: RECORDED + 5 : 2]))


def test_the_map_stays_while_its_points_do_and_is_the_same_whoever_watched() -> None:
    experiment, knobs = race()
    run(experiment, knobs, 28)  # 27 points and the start: laid through 27
    first = experiment._map(knobs)
    run(experiment, knobs, 3)
    assert experiment._map(knobs) is first
    other, other_knobs = race()
    run(other, other_knobs, 31)
    look(race(5)[0], knobs, "surface")  # another run's map takes the place of the one that is kept
    again = other._map(other_knobs)
    assert again is not first
    assert torch.equal(again.values, first.values)
    run(experiment, knobs, 5)
    assert experiment._map(knobs).name != first.name


# One weight


@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_the_formula_of_the_last_step_has_its_numbers(decay: float) -> None:
    experiment, knobs = race(weight_decay=decay)
    run(experiment, knobs, 6)
    for note, moved in zip(
        look(experiment, knobs, "weight").notes, experiment.moved[:, experiment.watched].tolist(), strict=True
    ):
        numbers = note.split(" = ")[-2].replace("−", "-").replace("·", "*")
        assert eval(numbers) == pytest.approx(moved, rel=0.02, abs=2e-5), note


@pytest.mark.slow
def test_the_watched_weights_history_is_the_latest_oldest_first() -> None:
    experiment, knobs = race(batch_size=2)
    moved = []
    for _ in range(LAST + 4):
        run(experiment, knobs, 1)
        moved.append(float(experiment.moved[0, experiment.watched]) / -knobs.lr_sgd)
    picture = look(experiment, knobs, "weight")
    assert picture.x.tolist() == list(range(4, LAST + 4))
    np.testing.assert_allclose(picture.values[0, 1], moved[4:], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(picture.values[0, 0], picture.values[0, 1], rtol=1e-2, atol=1e-5)  # SGD: g


def test_what_is_said_of_the_race_is_what_the_pictures_show() -> None:
    experiment, knobs = built(Optimizers)
    for panel in ("surface", "standings", "moves", "by_second", "times", "memory"):
        assert said_of(experiment, knobs, panel)[1] == {}  # all alike, nothing measured
    run(experiment, knobs, 40)
    picture, said = said_of(experiment, knobs, "surface")
    assert said == extremes(picture.heights[:, -1], picture.names)
    picture, said = said_of(experiment, knobs, "standings")
    assert said == extremes(picture.values[:, 1], picture.names)
    picture, said = said_of(experiment, knobs, "moves")
    typical = [float(each[each > 0].median()) for each in experiment.moved.abs()]
    assert said["high"] == picture.names[np.argmax(typical)]
    assert float(said["most"]) == pytest.approx(max(typical), rel=0.06)
    picture, said = said_of(experiment, knobs, "by_second")
    ends = [row[np.isfinite(row)][-1] for row in np.asarray(picture.values)[0]]
    assert float(said["least"]) >= min(ends) * 0.95  # others have gone on since
    picture, said = said_of(experiment, knobs, "times")
    assert said == extremes(picture.values[1].tolist(), picture.labels)
    _, said = said_of(experiment, knobs, "memory")
    assert (said["high"], said["most"], said["low"], said["least"]) == ("Adadelta", "2", "SGD", "0")


def test_what_is_said_of_the_map_and_one_weight_is_what_the_pictures_show() -> None:
    experiment, knobs = built(Optimizers)
    assert said_of(experiment, knobs, "weight")[1] == {}  # nobody has moved it
    run(experiment, knobs, 40)
    assert said_of(experiment, knobs, "weight")[1] == {}  # Adam and AdamW move it alike, and farthest
    run(experiment, knobs, 10)
    picture, said = said_of(experiment, knobs, "shares")
    assert said["percent"] in (f"{float(picture.values[0, 0, 1]):.0f}", ">99")
    picture, said = said_of(experiment, knobs, "weight")
    rates = torch.tensor([optimizer.param_groups[0]["lr"] for optimizer in experiment.optimizers])
    moved = -rates * torch.as_tensor(picture.values)[:, 1, -1]  # drawn is −Δθ / η
    farthest = int(moved.abs().argmax())
    assert said == {"name": picture.groups[farthest], "by": rough(float(moved[farthest]))}
