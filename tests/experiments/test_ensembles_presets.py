"""What the presets of `ensembles` say is to be seen: all steps within twenty seconds at its pace."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from claims import claim
from descent.experiments.training.ensembles import EVERY, MEMBERS, Ensembles
from driving import Driven, Row

POINT = 0.01  # a percentage point of accuracy


def measured(run: Driven, first: int, last: int | None = None) -> list[Row]:
    """The rows of the steps that looked at the test points, from step `first` on."""
    return run.rows[first : None if last is None else last + 1 : EVERY]


def members(row: Row) -> list[float]:
    """Accuracy of each seed."""
    return [row[f"acc/{member}"] for member in range(1, MEMBERS + 1)]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def gain(row: Row) -> float:
    """By how much the average of the seeds is right more often than they are on average."""
    return row["acc/average"] - mean(members(row))


def apart(run: Driven, some: slice) -> float:
    """On what share of the test points two of some differ, on average over the pairs."""
    share = run.look("pairs").values[some, some]
    return float(share.sum() / (len(share) * (len(share) - 1)))


@torch.no_grad()
def answers(run: Driven) -> tuple[Tensor, Tensor]:
    """Probabilities of class 1 by seed and test point, (M, T), and what the points are, (T,)."""
    experiment = run.experiment
    return experiment.seeds(experiment.test_inputs).double().sigmoid(), experiment.test_targets


def sure_where_wrong(p: Tensor, y: Tensor) -> float:
    """The mean probability given to the wrong class where it is thought the likelier: p and y (T,)."""
    wrong = (p > 0.5) != (y > 0.5)
    return float(torch.maximum(p, 1 - p)[wrong].mean())


@claim(Ensembles, "same")
def test_six_times_the_same_network_never_disagree(run: Driven) -> None:
    rows = measured(run.train(301), 0)
    for row in rows:
        assert row["brier/disagreement"] < 1e-11  # a batched product may add up each in another order
        assert row["brier/average"] == pytest.approx(row["brier/members"], rel=1e-9)
        assert {row["acc/average"]} == set(members(row))
    assert rows[-1]["acc/average"] > rows[0]["acc/average"] + 10 * POINT  # they do learn


@claim(Ensembles, "bagging")
def test_bags_make_worse_members_of_a_good_average(run: Driven) -> None:
    seen = [len(bag.unique()) for bag in run.experiment.bags]
    assert mean(seen) == pytest.approx(63, abs=3)
    (row,) = measured(run.train(1001), 1000)
    assert 0.79 < mean(members(row)) < 0.86
    assert row["acc/average"] == pytest.approx(0.9, abs=0.02)
    assert gain(row) > 5 * POINT
    assert apart(run, slice(MEMBERS)) > 0.1


@claim(Ensembles, "snapshots")
def test_snapshots_of_one_training_do_what_six_trainings_do(run: Driven) -> None:
    run.train(2001)
    cycle = run.knobs.cycle
    for restart in (cycle, 2 * cycle):
        now = [row["acc/now"] for row in measured(run, restart, restart + cycle)]
        assert min(now[: len(now) // 2]) < now[0] - 5 * POINT
        assert now[-1] > now[0] - POINT
    assert len(run.experiment.taken_at) == MEMBERS
    assert run.last("acc/snapshots") > 0.89
    assert run.last("acc/average") > 0.89


@claim(Ensembles, "short")
def test_snapshots_of_short_cycles_are_copies(run: Driven) -> None:
    for steps in (1001, 200):
        run.train(steps)
        assert apart(run, slice(MEMBERS, None)) < 0.05
        errors = run.look("by_size").values[0, 1]  # of the snapshots, by their number
        assert errors[0] - errors[-1] < POINT


@claim(Ensembles, "chance")
def test_averaging_leaves_the_errors_of_chance_and_makes_them_cheaper(run: Driven) -> None:
    run.train(1001)
    gains = [gain(row) for row in measured(run, 300)]
    assert 0 < mean(gains) < 2 * POINT
    log_loss = run.look("by_size").values[2, 0]  # of the seeds, by their number
    assert log_loss[-1] < 0.9 * log_loss[0]
    p, y = answers(run)
    assert sure_where_wrong(p.mean(0), y) < mean([sure_where_wrong(of_one, y) for of_one in p]) - POINT


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_average_is_the_members_less_their_disagreement(seed: int) -> None:
    run = Driven(Ensembles, seed).train(301)
    difference = run.last("brier/members") - run.last("brier/disagreement")
    assert run.last("brier/average") == pytest.approx(difference, rel=1e-6)
    scores = run.look("by_size").values[1, 0]  # Brier score by M
    assert (scores.diff() < 0).all()
    assert scores.diff().argmin() == 0  # the second member brings the most
