"""Random search against a grid, samplers as functions of their seed, and many networks trained as one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn, optim
from torch.nn import functional as F

from descent.errors import BadKnob
from descent.experiments.optimisation.search import (
    BATCH,
    HIDDEN,
    STRATEGIES,
    WORST,
    Search,
    SearchKnobs,
    explained,
    grid,
    propose,
    train,
    valley,
)
from descent.kit.text import rough
from descent.registry import experiments
from descent.runs.knobs import check
from driving import built, said_of, take
from driving import take as run

NOTHING = torch.zeros(0, 3)


def begun(seed: int = 0, **values: Any) -> tuple[Search, SearchKnobs]:
    return built(Search, seed, **values)


# What it shows


@pytest.mark.slow
def test_random_search_beats_the_grid_in_most_of_twenty_seeds() -> None:
    won = 0
    for seed in range(20):
        experiment, knobs = begun(seed)
        values = grid(knobs)
        on_grid = [(rate, decay) for rate in values["rate"] for decay in values["decay"]]
        at_random = [propose("random", NOTHING, knobs, 1000 * seed + n) for n in range(knobs.budget)]
        assert len(on_grid) == len(at_random) == 25
        losses = experiment.evaluate(torch.tensor(on_grid + at_random, dtype=torch.float64), knobs)
        won += int(losses[25:].min() < losses[:25].min())
    assert won >= 15


def test_the_rate_matters_and_the_decay_does_not_until_it_is_large() -> None:
    experiment, knobs = begun()
    line = np.geomspace(1e-3, 100, 9)
    along_rate = torch.tensor([(rate, 1e-4) for rate in line], dtype=torch.float64)
    along_decay = torch.tensor([(1.0, decay) for decay in np.geomspace(1e-6, 1e-2, 9)], dtype=torch.float64)
    rate, decay = (experiment.evaluate(points, knobs).log() for points in (along_rate, along_decay))
    assert rate.max() - rate.min() > 10 * (decay.max() - decay.min())
    large = experiment.evaluate(torch.tensor([[1.0, 1.0]], dtype=torch.float64), knobs)
    assert float(large) > 4 * float(decay.exp().max())


def test_importance_is_found_where_it_is() -> None:
    generator = torch.Generator().manual_seed(0)
    values, other = torch.rand(2, 500, generator=generator)
    loss = (3 * values).exp()
    assert explained(values, loss) > 0.9
    assert explained(other, loss) < 0.05
    assert explained(values[:9], loss[:9]) == 0.0
    noisy = loss * torch.exp(torch.randn(500, generator=generator) * 3 / math.sqrt(12))
    assert explained(values, noisy) == pytest.approx(0.5, abs=0.1)  # half of the variance is noise


# The strategies


def test_the_grid_comes_to_every_point_once() -> None:
    experiment, knobs = begun(side=4, steps=5)
    run(experiment, knobs, 16)
    values = grid(knobs)
    visited = {(rate, decay) for rate, decay, _ in experiment.tried[0].tolist()}
    assert visited == {(rate, decay) for rate in values["rate"] for decay in values["decay"]}
    assert values["rate"] == pytest.approx([1e-3, 10 ** (-4 / 3), 10 ** (1 / 3), 100])


def test_of_the_same_budget_the_grid_sees_the_root_of_the_values() -> None:
    experiment, knobs = begun(side=3, steps=5)
    run(experiment, knobs, 9)
    for _ in range(5):  # in the first round and across the next one
        assert experiment.distinct(knobs).values.tolist() == [[3, 3], [9, 9], [9, 9]]
        run(experiment, knobs, 2)


def test_the_stripe_holds_the_learning_rates_that_did_nearly_best() -> None:
    trials = torch.tensor([[0.01, 1, 2.0], [0.5, 1, 0.22], [1.0, 1, 0.2], [3.0, 1, 0.24], [30.0, 1, 9.0]])
    assert valley(trials) == (0.5, 3.0)
    experiment, knobs = begun(side=4)
    assert experiment.points(knobs).x.tolist()[1:5] == [pytest.approx(experiment.points(knobs).x[0])] * 4
    run(experiment, knobs, 16)
    picture = experiment.points(knobs)
    left, right = picture.x[1], picture.x[4]
    assert 0.3 < left < right < 10
    rate, _, loss = experiment.tried.flatten(0, 1).unbind(1)
    assert (loss[(rate < left) | (rate > right)] > 1.25 * loss.min()).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_proposal_is_a_function_of_seed_and_trials_and_stays_in_its_limits(strategy: str) -> None:
    knobs = SearchKnobs(rate_low=0.01, rate_high=1.0)
    tried = torch.tensor(
        [propose("random", NOTHING, knobs, n) for n in range(12)], dtype=torch.float64
    )  # (12, 2)
    tried = torch.cat([tried, tried[:, :1].log().square()], 1)
    found = [propose(strategy, tried, knobs, seed) for seed in range(20)]
    assert found == [propose(strategy, tried, knobs, seed) for seed in range(20)]
    assert len(set(found)) > 5
    for rate, decay in found:
        assert 0.01 <= rate <= 1
        assert 1e-6 <= decay <= 1e-2


def test_random_points_are_uniform_in_the_logarithm() -> None:
    knobs = SearchKnobs()
    rates = np.log10([propose("random", NOTHING, knobs, seed)[0] for seed in range(200)])
    counts, _ = np.histogram(rates, bins=5, range=(-3, 2))
    assert (counts > 20).all()


def test_tpe_goes_where_it_was_good_and_random_search_does_not() -> None:
    knobs = SearchKnobs()
    tried = torch.tensor([propose("random", NOTHING, knobs, n) for n in range(40)], dtype=torch.float64)
    loss = tried[:, :1].log10().sub(0.3).abs()  # best at η = 2
    known = torch.cat([tried, loss], 1)
    near = {
        strategy: np.mean(
            [abs(math.log10(propose(strategy, known, knobs, seed)[0]) - 0.3) < 0.7 for seed in range(30)]
        )
        for strategy in ("tpe", "random")
    }
    assert near["tpe"] > 0.8 > 0.5 > near["random"]


def test_the_same_seed_makes_the_same_search() -> None:
    first, second, other = (run(*begun(seed, side=2, steps=5), 6) for seed in (3, 3, 4))
    assert first == second != other


# Rounds


def test_best_so_far_never_rises_within_a_round_and_begins_anew_in_the_next() -> None:
    experiment, knobs = begun(side=2, steps=10)
    rows = run(experiment, knobs, 9)
    for strategy in STRATEGIES:
        values = [row[f"best/{strategy}"] for row in rows]
        for start in (0, 4):
            assert values[start : start + 4] == sorted(values[start : start + 4], reverse=True)
    assert (experiment.round, experiment.bests.shape, experiment.tried.shape) == (2, (2, 3, 4), (3, 1, 3))
    told = [[row[f"best/{strategy}"] for row in rows[:4]] for strategy in STRATEGIES]
    assert experiment.bests[0].tolist() == told
    table = experiment.rounds(knobs)
    final = experiment.bests[:, :, -1]
    assert table.values[:, 1].tolist() == pytest.approx(final.mean(0).tolist())
    assert table.values[1, 2] == 100 * (final[:, 1] < final[:, 0]).double().mean()


def test_another_search_space_begins_another_round() -> None:
    experiment, knobs = begun(side=2, steps=5)
    run(experiment, knobs, 6)
    knobs = knobs.model_copy(update={"rate_high": 1.0})
    experiment.changed(knobs, {"rate_high"})
    assert experiment.tried.shape[1] == len(experiment.bests) == len(experiment.pool) == 0
    run(experiment, knobs, 4)
    assert experiment.tried[:, :, 0].max() <= 1.0


def test_the_bands_are_the_middle_half_of_past_rounds() -> None:
    experiment, knobs = begun(side=2, steps=5)
    run(experiment, knobs, 8)
    assert experiment.best_so_far(knobs).low.size == 0
    run(experiment, knobs, 5)
    picture = experiment.best_so_far(knobs)
    expected = np.quantile(experiment.bests.numpy(), [0.25, 0.75], axis=0)
    np.testing.assert_allclose([picture.low[0], picture.high[0]], expected)


def test_every_trial_is_a_dot_in_all_three_views() -> None:
    experiment, knobs = begun(side=2, steps=5)
    run(experiment, knobs, 3)
    rate, decay, loss = experiment.tried.flatten(0, 1).unbind(1)
    for panel, x, y in (
        ("points", rate, decay.log10()),
        ("by_rate", rate, loss),
        ("by_decay", decay, loss),
    ):
        dots = getattr(experiment, panel)(knobs).dots
        assert dots[:, 1].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert torch.equal(dots[:, 2], x)
        assert torch.equal(dots[:, 3], y)


# A trial


def alone(rate: float, decay: float, data: tuple[Tensor, Tensor], steps: int, seed: int) -> float:
    """The same trial with one network of modules, torch's SGD and its weight decay."""
    generator = torch.Generator().manual_seed(seed)
    first, second = nn.Linear(64, HIDDEN), nn.Linear(HIDDEN, 10)
    with torch.no_grad():
        for layer in (first, second):
            drawn = 2 * torch.rand(layer.in_features, layer.out_features, generator=generator) - 1
            layer.weight.copy_(drawn.T * layer.in_features**-0.5)
            torch.rand(1, layer.out_features, generator=generator)  # drawn for the biases, too
            layer.bias.zero_()
    network = nn.Sequential(first, nn.Tanh(), second)
    optimizer = optim.SGD(network.parameters(), rate, weight_decay=decay)
    x, y = data
    for chosen in torch.randint(len(y), (steps, BATCH), generator=generator):
        optimizer.zero_grad()
        F.cross_entropy(network(x[chosen]), y[chosen]).backward()
        optimizer.step()
    return float(F.cross_entropy(network(x[:50]), y[:50]).detach())


def test_networks_trained_together_are_those_trained_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(200, 64, generator=generator), torch.randint(10, (200,), generator=generator)
    tried = torch.tensor([[0.01, 1e-3], [0.5, 0.0], [2.0, 0.1]], dtype=torch.float64)
    found = train(tried, data, (data[0][:50], data[1][:50]), steps=25, seed=7)
    expected = [alone(rate, decay, data, 25, 7) for rate, decay in tried.tolist()]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


def test_a_network_that_explodes_counts_as_the_worst_and_spoils_no_other() -> None:
    experiment, knobs = begun()
    both = experiment.evaluate(torch.tensor([[0.1, 1e-4], [100.0, 10.0]], dtype=torch.float64), knobs)
    (one,) = experiment.evaluate(torch.tensor([[0.1, 1e-4]], dtype=torch.float64), knobs)
    assert both.tolist() == [pytest.approx(float(one), rel=1e-5), WORST]


# An empty search space


@pytest.mark.parametrize(
    ("values", "knob"),
    [
        ({"rate_low": 1.0, "rate_high": 1.0}, "rate_high"),
        ({"rate_low": 2.0, "rate_high": 1.0}, "rate_high"),
        ({"decay_low": 0.1, "decay_high": 0.1}, "decay_high"),
        ({"decay_low": 0.1}, "decay_high"),
    ],
)
def test_an_empty_or_inverted_search_space_is_refused_at_its_field(
    values: dict[str, float], knob: str
) -> None:
    with pytest.raises(ValidationError, match=f"{knob}: must be above the lowest"):
        SearchKnobs.model_validate(values)
    with pytest.raises(BadKnob) as refused:
        check(experiments()["search"], values)
    assert refused.value.field == knob


def test_what_is_said_of_the_trials_is_what_the_pictures_show() -> None:
    experiment, knobs = built(Search, side=2, steps=10)
    for panel in ("points", "by_rate", "best_so_far", "rounds", "importance"):
        assert said_of(experiment, knobs, panel)[1] == {}
    take(experiment, knobs, 6)  # a round and a half
    picture, said = said_of(experiment, knobs, "by_rate")
    _, strategies, rates, losses = picture.dots.T
    best = int(losses.argmin())
    near = rates[losses <= 1.25 * losses.min()]
    assert (said["low"], said["high"]) == (rough(float(near.min())), rough(float(near.max())))
    _, said = said_of(experiment, knobs, "points")
    assert said["name"] == picture.series[int(strategies[best])]
    assert (said["loss"], said["rate"]) == (rough(float(losses[best])), rough(float(rates[best])))
    picture, said = said_of(experiment, knobs, "best_so_far")
    assert (said["done"], said["all"]) == (2, 4)
    assert said["least"] == rough(float(picture.values[0, :, 1].min()))
    picture, said = said_of(experiment, knobs, "rounds")
    assert (said["rounds"], said["random"]) == (1, rough(float(picture.values[1, 2])))
    picture, said = said_of(experiment, knobs, "distinct")
    assert [said["grid"], said["random"], said["tpe"]] == picture.values[:, 0].int().tolist()
