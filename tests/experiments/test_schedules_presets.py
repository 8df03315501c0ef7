"""What schedules' presets and lesson say is to be seen."""

from __future__ import annotations

from statistics import mean

import pytest

from claims import SEEDS, claim
from descent.experiments.optimisation.schedules import NAMES, Schedules
from driving import Driven

NEVER_LOWERED = {"constant", "warmup"}
COME_DOWN = [name for name in NAMES if name not in NEVER_LOWERED]


def raced(run: Driven) -> dict[str, float]:
    """Each racer's loss when the race is over."""
    run.train(run.knobs.steps)
    return {name: run.last(f"loss/{name}") for name in NAMES}


def late(run: Driven, name: str) -> float:
    """A racer's mean loss in the second half of the race; a single one depends on where it bounces."""
    losses = [row[f"loss/{name}"] for row in run.rows[len(run.rows) // 2 :] if f"loss/{name}" in row]
    return mean(losses)


@claim(Schedules, "too-large")
def test_too_large_a_rate(run: Driven) -> None:
    ended = raced(run)
    highest = max(ended[name] for name in COME_DOWN)
    for name in NEVER_LOWERED:
        assert 1.6 * highest < late(run, name) < 3 * highest
    assert min(ended[name] for name in NEVER_LOWERED) > 1.5 * highest
    assert all(run.last(f"rate/{name}") < 0.7 * run.knobs.lr for name in COME_DOWN)
    accuracy = dict(zip(NAMES, run.look("standing").values[:, 0].tolist(), strict=True))
    assert min(accuracy[name] for name in COME_DOWN) > max(accuracy[name] for name in NEVER_LOWERED) + 0.05


@claim(Schedules, "too-small")
def test_too_small_a_rate(run: Driven) -> None:
    assert run.knobs.steps == 600
    ended = raced(run)
    assert min(ended, key=lambda name: ended[name]) == "constant"
    assert ended["constant"] < late(run, "constant") - 0.02  # it has not reached its floor


@claim(Schedules, "no-noise")
def test_large_batches(run: Driven) -> None:
    assert run.knobs.steps == 600
    order = sorted(raced(run).items(), key=lambda entry: entry[1])
    assert order[0][0] == "constant"
    assert {name for name, _ in order[-2:]} == {"step", "exponential"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_with_the_defaults_the_cosine_ends_among_the_lowest_and_each_wave_lower_than_the_last(
    seed: int,
) -> None:
    run = Driven(Schedules, seed)
    ended = raced(run)
    assert sorted(ended.values())[3] >= ended["cosine"]
    assert ended["cosine"] < 0.8 * ended["constant"]
    assert run.look("race").marks[0][-1] == ("T", 2000.0)
    first = run.knobs.steps // 7
    ends = [
        min(row["loss/restarts"] for row in run.rows[end - 20 : end + 20] if "loss/restarts" in row)
        for end in (first, 3 * first, 7 * first)
    ]
    assert ends[0] > ends[1] > ends[2]
