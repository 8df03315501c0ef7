"""What the presets of da-rnn say is to be seen, within the 450 steps of 15 s."""

from __future__ import annotations

from claims import claim
from descent.experiments.sequence.da_rnn import DualStage
from driving import Driven


def alone(driven: Driven, *names: str) -> Driven:
    """The run with only some of its networks: each has its optimizer and sees the same windows."""
    driven.experiment.racing = list(names)
    return driven


@claim(DualStage, "near")
def test_with_a_short_lag_temporal_attention_is_not_worth_it(driven: Driven) -> None:
    alone(driven, "da_rnn", "no_temporal").train(301)
    assert driven.last("rmse/no_temporal") < driven.last("rmse/da_rnn")


@claim(DualStage, "beyond")
def test_what_is_not_in_the_window_cannot_be_found(driven: Driven) -> None:
    driven.train(101)
    assert min(value for name, value in driven.rows[-1].items() if name.startswith("rmse")) > 2.4


@claim(DualStage, "same")
def test_drivers_that_nothing_shows_are_not_found(driven: Driven) -> None:
    alone(driven, "da_rnn").train(201)
    assert max(row["attention/drivers"] for row in driven.rows if "attention/drivers" in row) < 0.2


@claim(DualStage, "own")
def test_with_few_sensors_the_networks_are_alike_and_better_than_persistence(driven: Driven) -> None:
    driven.train(201)
    found = [value for name, value in driven.rows[-1].items() if name.startswith("rmse")]
    persistence = float(driven.look("table").values[-1][0])
    assert len(found) == 4
    assert max(found) < persistence / 2
    assert max(found) - min(found) < 0.1
