"""What the presets of `end-to-end` say is to be seen, within fifteen seconds at its pace."""

from __future__ import annotations

import pytest

from claims import claim
from descent.experiments.training.end_to_end import EndToEnd
from driving import Driven

POINT = 0.01  # a percentage point of accuracy
LATEST = 200  # steps over which an accuracy is averaged
WATCHED = 15 * int(EndToEnd.pace)  # steps of fifteen seconds


def share(run: Driven, name: str, end: int | None = None) -> float:
    """An accuracy, on average over the latest steps before `end` at which it was measured."""
    values = [row[f"acc/{name}"] for row in run.rows[:end][-LATEST:] if f"acc/{name}" in row]
    return sum(values) / len(values)


@claim(EndToEnd, "few")
def test_with_few_strips_only_the_pipeline_can_read_others(run: Driven) -> None:
    run.train(401)
    assert 0.25 < run.last("acc/pipeline") < 0.5
    assert run.last("acc/ctc") < 0.1
    assert run.last("loss/ctc") < 0.05
    assert run.last("loss/ctc-test") > 5


@claim(EndToEnd, "many")
def test_with_many_strips_the_one_network_overtakes(run: Driven) -> None:
    run.train(WATCHED + 1)
    assert share(run, "pipeline", 201) > share(run, "ctc", 201) + 20 * POINT
    assert share(run, "ctc", 601) > share(run, "pipeline", 601)
    assert 4 * POINT < share(run, "ctc") - share(run, "pipeline") < 13 * POINT


@claim(EndToEnd, "pushed")
def test_the_one_network_begins_late_where_digits_overlap(run: Driven) -> None:
    run.train(201)
    assert run.last("acc/ctc") < 0.1
    assert run.last("acc/pipeline") > 0.4
    said = run.experiment.whole(run.experiment._drawn(run.knobs, "test")[0]).argmax(1)
    assert (said == 0).float().mean() > 0.9
    run.train(800)
    assert abs(share(run, "ctc") - share(run, "pipeline")) < 6 * POINT


@claim(EndToEnd, "noisy")
def test_errors_of_the_stages_multiply_and_are_not_independent(run: Driven) -> None:
    run.train(601)
    assert 0.73 < share(run, "read") < 0.83
    assert 0.54 < share(run, "cut") < 0.67
    assert share(run, "pipeline") == pytest.approx(1 / 3, abs=0.05)
    assert 1 * POINT < share(run, "product") - share(run, "pipeline") < 4 * POINT
    assert share(run, "ctc") > share(run, "pipeline") - 2 * POINT  # as the lesson says
