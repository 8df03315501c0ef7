"""What moving-average's presets and lesson say is to be seen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from claims import claim
from descent.experiments.optimisation.moving_average import MovingAverage
from driving import Driven

YEAR_SHOWN = 300  # days, at 20 a second


def listed(run: Driven, column: str) -> float:
    """What the table says of the β chosen."""
    table = run.look("numbers")
    return float(table.values[table.names.index(f"{run.knobs.beta:g}"), table.columns.index(column)])


@claim(MovingAverage, "nervous")
def test_two_days(run: Driven) -> None:
    run.train(YEAR_SHOWN)
    assert run.knobs.noise == 3.0
    assert 3.0 * math.sqrt(0.5 / 1.5) == pytest.approx(1.7, abs=0.05)
    assert listed(run, "noise °C") == pytest.approx(1.7, abs=0.2)


@claim(MovingAverage, "late")
def test_fifty_days(run: Driven) -> None:
    run.train(YEAR_SHOWN)
    assert listed(run, "days late") == pytest.approx(40, abs=3)
    warmest = {name: max(row[f"temperature/{name}"] for row in run.rows) for name in ("truth", "corrected")}
    assert warmest["corrected"] < warmest["truth"] - 0.5
    shivers = {
        name: np.std(np.diff([row[f"temperature/{name}"] for row in run.rows[100:]]))
        for name in ("observed", "average")
    }
    assert shivers["average"] < 0.05 * shivers["observed"]


@claim(MovingAverage, "beginning")
def test_the_first_days(run: Driven) -> None:
    truth = 11.5
    run.train(10)
    assert pytest.approx(0.18, abs=0.005) == 1 - 0.98**10
    assert run.last("temperature/average") == pytest.approx(0.18 * truth, abs=0.03 * truth)
    assert run.rows[0]["temperature/corrected"] == pytest.approx(run.rows[0]["temperature/observed"])
    for day, row in enumerate(run.rows, 1):
        assert row["temperature/average"] < 0.25 * truth
        spread = run.knobs.noise / math.sqrt(day)  # nearly: the weights of so few days are nearly equal
        assert row["temperature/corrected"] == pytest.approx(truth, abs=3 * spread)
    quiet = Driven(MovingAverage, run.experiment.seed, beta=0.98, truth="constant", noise=0.0).train(10)
    assert [row["temperature/corrected"] for row in quiet.rows] == pytest.approx([truth] * 10)


@claim(MovingAverage, "jumps")
def test_a_sudden_change(run: Driven) -> None:
    run.train(120)
    truth = [row["temperature/truth"] for row in run.rows]
    assert truth[89:91] == [8.0, 16.0]
    before = run.rows[89]["temperature/average"]
    gone = {days: run.rows[89 + days]["temperature/average"] - before for days in (10, 30)}
    assert gone[10] == pytest.approx(5.2, abs=0.4)
    assert gone[30] / 8 == pytest.approx(0.96, abs=0.05)
    assert pytest.approx(0.65, abs=0.005) == 1 - 0.9**10
    assert pytest.approx(0.96, abs=0.005) == 1 - 0.9**30


@pytest.mark.parametrize("beta", [0.5, 0.8, 0.9, 0.95, 0.98, 0.995])
def test_the_days_of_the_window_hold_63_to_75_per_cent(beta: float) -> None:
    assert 0.63 < 1 - beta ** round(1 / (1 - beta)) <= 0.75


def test_the_best_beta_is_smaller_where_there_is_less_noise() -> None:
    best = []
    for noise in (0.5, 8.0):
        picture = Driven(MovingAverage, noise=noise).train(YEAR_SHOWN).look("trade_off")
        best.append(float(picture.x[picture.values[0, 2].argmin()]))
    assert 1.5 * best[0] < best[1]
