"""What the presets of `ensembles` say is to be seen: all steps within fifteen seconds at its pace."""

from __future__ import annotations

import math

import pytest

from claims import claim
from descent.experiments.training.ensembles import MEMBERS, Ensembles
from driving import Driven

SECONDS_15 = int(15 * Ensembles.pace)


def members(run: Driven) -> list[float]:
    """The last accuracy of each."""
    return [run.last(f"acc/{member}") for member in range(1, MEMBERS + 1)]


@claim(Ensembles, "same")
def test_copies_never_disagree(run: Driven) -> None:
    run.train(301)
    assert run.last("brier/disagreement") < 1e-20
    assert run.last("brier/average") == pytest.approx(run.last("brier/members"))
    assert set(members(run)) == {run.last("acc/average")}


@claim(Ensembles, "bagging")
def test_bags_make_worse_members_and_a_good_average(run: Driven) -> None:
    seen = [len(bag.unique()) for bag in run.experiment.bags]
    assert sum(seen) / MEMBERS == pytest.approx(63, abs=3)
    run.train(1001)
    assert sum(members(run)) / MEMBERS == pytest.approx(0.82, abs=0.04)
    assert run.last("acc/average") == pytest.approx(0.9, abs=0.02)
    assert run.last("acc/average") > max(members(run)) + 0.01


@claim(Ensembles, "snapshots")
def test_six_snapshots_are_as_good_as_six_trainings(run: Driven) -> None:
    run.train(6 * run.knobs.cycle + 1)
    assert len(run.rows) - 1 <= SECONDS_15
    now = {step: row["acc/now"] for step, row in enumerate(run.rows) if "acc/now" in row}
    restarts = [run.knobs.cycle * k for k in (1, 2, 3)]
    falls = [now[at] - min(now[step] for step in range(at, at + 60, 10)) for at in restarts]
    assert max(falls) > 0.05
    assert run.experiment.taken_at == [run.knobs.cycle * k for k in range(1, 7)]
    assert run.last("acc/snapshots") > 0.89
    assert run.last("acc/snapshots") == pytest.approx(run.last("acc/average"), abs=0.035)


@claim(Ensembles, "short")
def test_snapshots_of_short_cycles_are_nearly_copies(run: Driven) -> None:
    run.train(1001)
    differ = run.look("pairs").values[MEMBERS:, MEMBERS:]
    pairs = MEMBERS * (MEMBERS - 1)
    assert differ.sum() / pairs < 0.04
    picture = run.look("by_size").values[0, 1]  # the snapshots' error by M
    assert abs(picture[0] - picture[-1]) < 0.015


@claim(Ensembles, "chance")
def test_chance_in_the_labels_is_not_averaged_away(run: Driven) -> None:
    run.train(1001)
    scored = [row for row in run.rows[500:] if "acc/1" in row]
    averages = [sum(row[f"acc/{member}"] for member in range(1, MEMBERS + 1)) / MEMBERS for row in scored]
    gains = [row["acc/average"] - mean for row, mean in zip(scored, averages, strict=True)]
    assert max(gains) < 0.04
    by_size = run.look("by_size").values
    assert (by_size[2, 0].diff() < 0).all()  # the log loss falls
    assert by_size[0, 0, -1] > 0.2  # a fifth and more stay wrong


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_average_is_the_members_less_their_disagreement(seed: int) -> None:
    run = Driven(Ensembles, seed).train(301)
    difference = run.last("brier/members") - run.last("brier/disagreement")
    assert run.last("brier/average") == pytest.approx(difference, rel=1e-6)
    assert 1 / math.e == pytest.approx(0.37, abs=0.005)
    by_size = run.look("by_size").values[1, 0]  # Brier score by M: the second brings most
    gains = by_size[:-1] - by_size[1:]
    assert gains.argmax() == 0
    assert (gains > 0).all()
