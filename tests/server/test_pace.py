"""The pace of training, and its slow beginning."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest

from descent.engine import pace as module
from descent.engine.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def steps_taken(pace: Pace, clock: SimpleNamespace, until: float) -> list[float]:
    """When each step is taken by a loop that takes no time."""
    taken = []
    while clock.now < until:
        clock.now = max(clock.now, pace.due(len(taken)))
        if pace.at(len(taken)) is None:
            break
        taken.append(clock.now)
        pace.took(len(taken), clock.now)
    return taken


def test_a_beginning_shows_the_untrained_picture_then_eight_steps_a_second_then_doubles(clock):
    pace = Pace(None, 8.0, 2.0)
    pace.begin(0)
    taken = steps_taken(pace, clock, 60.0)
    assert taken[0] == 0.5
    slow = [b - a for a, b in pairwise(taken[:16])]
    assert slow == pytest.approx([1 / 8] * 15)
    later = [sum(1 for t in taken if begin <= t < begin + 0.5) for begin in (3.0, 3.5, 4.0, 4.5)]
    for fewer, more in pairwise(later):
        assert more == pytest.approx(2 * fewer, rel=0.15)
    assert clock.now < 7.0
    assert pace.at(len(taken)) is None


def test_it_gets_no_faster_than_it_was_told(clock):
    pace = Pace(20.0, 8.0, 2.0)
    pace.begin(0)
    taken = steps_taken(pace, clock, 10.0)
    assert taken[-1] - taken[-2] == pytest.approx(1 / 20)
    assert Pace(4.0, 8.0, 2.0).at(0) == 4.0


def test_the_learners_pace_ends_the_beginning(clock):
    pace = Pace(None, 8.0, 2.0)
    pace.begin(0)
    pace.set(None)
    assert pace.at(0) is None
    pace.set(100.0)
    assert (pace.at(0), pace.due(0)) == (100.0, 0.0)


def test_without_a_beginning_it_goes_at_once(clock):
    pace = Pace(None, 8.0, 0.0)
    pace.begin(0)
    assert (pace.at(0), pace.due(0)) == (None, 0.0)


def test_what_begins_late_in_a_run_does_not_begin_slowly(clock):
    pace = Pace(None, 8.0, 2.0)
    pace.begin(5000)
    assert pace.at(5000) is None


def test_a_late_step_does_not_make_the_next_ones_hurry(clock):
    pace = Pace(10.0, 8.0, 0.0)
    pace.begin(0)
    clock.now = 5.0
    pace.took(1, clock.now)
    assert pace.due(1) == pytest.approx(4.9)
    pace.took(2, clock.now)
    assert pace.due(2) == pytest.approx(5.0)
