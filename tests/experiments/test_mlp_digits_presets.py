"""What the presets of `mlp-digits` say is to be seen, within fifteen seconds at its pace."""

from __future__ import annotations

from claims import claim
from descent.experiments.training.mlp_digits import MLPDigits
from driving import Driven

SECONDS = int(MLPDigits.pace)  # steps of one


def series(run: Driven, scalar: str) -> list[float]:
    return [row[scalar] for row in run.rows if scalar in row]


def dead(run: Driven) -> float:
    return float((run.experiment.model.first(run.experiment.x) <= 0).all(0).float().mean())


@claim(MLPDigits, "no-digit")
def test_a_plus_is_called_a_four_without_a_doubt(run: Driven) -> None:
    p = run.train(10 * SECONDS).look("probabilities").values[0]
    assert p.argmax() == 4
    assert p[4] > 0.99


@claim(MLPDigits, "few")
def test_71_digits_are_learnt_by_heart(run: Driven) -> None:
    assert len(run.experiment.x) == 71
    run.train(8 * SECONDS)
    assert run.last("acc/train") == 1
    early = run.last("acc/test")
    assert 0.86 <= early <= 0.9
    assert abs(run.train(7 * SECONDS).last("acc/test") - early) < 0.02


@claim(MLPDigits, "bottleneck")
def test_two_numbers_cannot_carry_ten_digits(run: Driven) -> None:
    run.train(15 * SECONDS)
    assert 0.5 < run.last("acc/test") < 0.75
    assert max(series(run, "acc/test")) < 0.78


@claim(MLPDigits, "too-large")
def test_units_die_within_a_second_and_do_not_wake(run: Driven) -> None:
    assert dead(run.train(SECONDS)) > 0.9
    assert max(series(run.train(4 * SECONDS), "acc/test")) < 0.8
    assert dead(run.change(lr=2e-3).train(200)) > 0.9
