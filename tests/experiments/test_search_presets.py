"""What search's presets and lesson say is to be seen, within 15 seconds at its own pace."""

from __future__ import annotations

import pytest
import torch

from claims import claim
from descent.experiments.optimisation.search import WORST, Search, grid, valley
from driving import Driven

SHOWN = int(15 * (Search.pace or 0)) + 1  # trials; with one more, the last round is counted


def wins(run: Driven) -> float:
    """The % of rounds in which random search beat the grid."""
    return float(run.look("rounds").values[1, 2])


def columns_in_valley(run: Driven) -> int:
    """How many learning rates of the grid are among those that do nearly best."""
    low, high = valley(run.experiment.pool) or (1.0, 0.0)
    return sum(low <= rate <= high for rate in grid(run.knobs)["rate"])


@claim(Search, "nine")
def test_nine_trials(run: Driven) -> None:
    run.train(SHOWN)
    assert run.knobs.budget == 9
    assert run.look("distinct").values[:2, 0].tolist() == [3, 9]
    assert columns_in_valley(run) == 0
    assert wins(run) > 75


@pytest.mark.thorough
@claim(Search, "lucky")
def test_a_lucky_grid(run: Driven) -> None:
    run.train(SHOWN)
    assert grid(run.knobs)["rate"][1] == pytest.approx(2)
    assert columns_in_valley(run) == 1
    assert len(run.experiment.bests) == 10
    assert wins(run) < 50
    run.change(rate_high=100.0)
    assert not any(1 < rate < 4 for rate in grid(run.knobs)["rate"])  # the luck is gone


@pytest.mark.thorough
@claim(Search, "both")
def test_both_knobs_matter(run: Driven) -> None:
    run.train(SHOWN)
    assert min(run.look("importance").values[0].tolist()) > 10
    assert wins(run) > 50
    rates = torch.logspace(-3, 2, 11, dtype=torch.float64)
    spoilt = run.experiment.evaluate(torch.stack([rates, torch.full_like(rates, 10.0)], 1), run.knobs)
    assert spoilt.min() > 2 * run.experiment.pool[:, 2].min()
    assert spoilt.max() == WORST
    few = Driven(Search, run.experiment.seed).train(60).look("importance").values[0].tolist()
    assert few[0] > 50 > 15 > few[1]  # by default, the second hardly matters
