"""The race of schedules: rates that are torch's, racers that do not disturb each other, and its claims."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.optim import lr_scheduler

import driving
from descent.experiments.optimisation.schedules import NAMES, ScheduleKnobs, Schedules, losses_of, rates
from descent.kit.extremes import extremes
from descent.kit.text import rough
from driving import latest, said_of, take


def built(**values: Any) -> tuple[Schedules, ScheduleKnobs]:
    return driving.built(Schedules, **values)


def run(experiment: Schedules, knobs: ScheduleKnobs, steps: int) -> dict[str, float]:
    return latest(take(experiment, knobs, steps))


@pytest.mark.parametrize(
    ("name", "make", "start"),
    [
        ("step", lambda o: lr_scheduler.StepLR(o, 100, 0.2), 0.1),
        ("cosine", lambda o: lr_scheduler.CosineAnnealingLR(o, 400, 1e-4), 0.1),
        ("warmup", lambda o: lr_scheduler.LinearLR(o, 1e-3, 1.0, 40), 0.1),
        (
            "one-cycle",
            lambda o: lr_scheduler.OneCycleLR(
                o, 0.1, 400, pct_start=0.1, div_factor=10, final_div_factor=100, cycle_momentum=False
            ),
            0.01,
        ),
    ],
)
def test_a_racers_rate_is_torchs(name: str, make: Any, start: float) -> None:
    knobs = ScheduleKnobs(steps=400)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], start)
    scheduler = make(optimizer)
    for step in range(400):
        assert rates(knobs, step)[NAMES.index(name)] == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < 399:
            scheduler.step()


def test_racers_side_by_side_train_as_each_alone() -> None:
    experiment, knobs = built(steps=200)
    alone, _ = built(steps=200)
    run(experiment, knobs, 15)
    for racer in (0, 3):
        parameters = alone.model.of(racer)
        optimizer = torch.optim.SGD(parameters, 0.1, momentum=0.9)
        for step in range(15):
            alone.step_index = step
            optimizer.param_groups[0]["lr"] = rates(knobs, step)[racer]
            x, y = alone._batch(knobs)
            optimizer.zero_grad()
            F.cross_entropy(alone.model.alone(racer, x), y).backward()
            optimizer.step()
        for ours, theirs in zip(experiment.model.of(racer), parameters, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_losses_are_the_mean_cross_entropy_of_each() -> None:
    logits, labels = torch.randn(3, 5, 10), torch.arange(5)
    wanted = torch.stack([F.cross_entropy(one, labels) for one in logits])
    torch.testing.assert_close(losses_of(logits, labels), wanted)


def test_without_a_drop_the_step_schedule_is_the_constant_one() -> None:
    experiment, knobs = built(steps=200, factor=1.0)
    row = run(experiment, knobs, 120)
    assert row["loss/step"] == row["loss/exponential"] == row["loss/constant"]


def test_the_loss_falls_by_a_stair_where_the_rate_drops() -> None:
    experiment, knobs = built(steps=1000)
    before = run(experiment, knobs, 250)
    after = run(experiment, knobs, 50)
    assert after["loss/step"] < 0.9 * before["loss/step"]
    assert after["loss/step"] < 0.95 * after["loss/constant"]


def test_measurements_are_kept_evenly_when_there_are_too_many() -> None:
    experiment, knobs = built()
    experiment.history_steps[:] = 10.0 * torch.arange(512) + 1
    experiment.kept, experiment.step_index = 512, 5110
    while experiment.kept != 257:
        run(experiment, knobs, 1)
    steps = experiment.history_steps[:257]
    assert set(steps.diff().tolist()) == {20.0}
    assert steps[-1] == experiment.step_index == 5121


def test_what_is_said_of_the_race_is_what_the_pictures_show() -> None:
    experiment, knobs = built()
    for panel in ("race", "standing", "floor"):
        assert said_of(experiment, knobs, panel)[1] == {}  # nothing is measured yet
    take(experiment, knobs, 101)
    picture, said = said_of(experiment, knobs, "race")
    assert said == extremes(picture.values[0, :, -1], picture.series)
    picture, said = said_of(experiment, knobs, "standing")
    assert said == extremes(100 * picture.values[:, 0], picture.names)
    picture, said = said_of(experiment, knobs, "floor")
    _, _, rates, losses = picture.dots[-len(picture.series) :].T
    assert said["above"] == rough(float(losses[picture.series.index(said["high"])]))
    assert said["below"] == rough(float(losses[picture.series.index(said["low"])]))
    assert rates[picture.series.index(said["low"])] == rates.min()
