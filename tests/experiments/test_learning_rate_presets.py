"""What learning-rate's presets and lesson say is to be seen."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import pytest

from claims import claim
from descent.experiments.optimisation.learning_rate import LearningRate
from driving import Driven, Row


def ups(rows: list[Row]) -> int:
    """How many steps went up."""
    return sum(row["taylor/actual"] > 0 for row in rows)


@claim(LearningRate, "too-small")
def test_too_small(run: Driven) -> None:
    rows = run.train(301).rows
    assert 0.96 * rows[0]["loss/train"] < rows[300]["loss/train"] < rows[0]["loss/train"]
    assert all(10_000 * row["taylor/second"] < -row["taylor/first"] for row in rows)


@claim(LearningRate, "good")
def test_good(run: Driven) -> None:
    rows = run.train(301).rows
    assert ups(rows) == 0
    assert rows[300]["loss/train"] < 0.1 * rows[0]["loss/train"]
    assert all(row["rate/edge"] > 1.5 * run.knobs.lr for row in rows)
    for row in rows[:20]:
        promised = row["taylor/first"] + row["taylor/second"]
        assert row["taylor/actual"] == pytest.approx(promised, rel=0.5)


@claim(LearningRate, "swinging")
def test_swinging(run: Driven) -> None:
    assert ups(run.train(300).rows) >= 10
    rows = run.train(150).rows
    assert rows[-1]["loss/train"] < rows[0]["loss/train"] / 3
    assert median(row["rate/edge"] for row in rows[-200:]) == pytest.approx(run.knobs.lr, abs=0.03)
    run.change(lr=0.1).train(40)
    assert ups(run.rows[-40:]) == 0


@claim(LearningRate, "diverging")
def test_flying_apart(run: Driven) -> None:
    rows = run.train(30).rows
    assert all(row["taylor/second"] > -row["taylor/first"] for row in rows[:4])
    losses = [row["loss/train"] for row in rows if row["loss/train"] < 1e38]
    assert 20 < len(losses) < 30
    assert all(after > 2 * before for before, after in pairwise(losses[3:]))


def test_32_hidden_units_bring_the_edge_down_to_about_a_third() -> None:
    edges = [
        [Driven(LearningRate, seed, hidden=hidden).train(1).last("rate/edge") for seed in range(5)]
        for hidden in (8, 32)
    ]
    assert sum(edges[1]) / sum(edges[0]) == pytest.approx(1 / 3, rel=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_at_a_good_rate_the_edge_comes_down_to_meet_it(seed: int) -> None:
    rows = Driven(LearningRate, seed, lr=0.15).train(400).rows
    assert min(row["rate/edge"] for row in rows[200:]) < 0.9 * max(row["rate/edge"] for row in rows[:200])
