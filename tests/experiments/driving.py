"""Drives an experiment as the engine does, without one: builds it, takes steps, changes live knobs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch

from descent.contract import Experiment, Knobs
from descent.engine.observe import look

E = TypeVar("E", bound=Experiment[Any])
Row = dict[str, float]


def built(cls: type[E], seed: int = 0, **knobs: Any) -> tuple[E, Any]:
    """An experiment before its first step, and its knobs."""
    settings = cls.knobs_type(**knobs)
    torch.manual_seed(seed)
    experiment = cls(seed, torch.device("cpu"))
    experiment.data = (Path(folder),) if (folder := os.environ.get("DESCENT_DATA")) else ()
    experiment.build(settings)
    return experiment, settings


def take(experiment: Experiment[Any], knobs: Knobs, steps: int) -> list[Row]:
    """The scalars of so many steps."""
    rows = []
    for _ in range(steps):
        rows.append({name: float(value) for name, value in experiment.step(knobs).items()})
        experiment.step_index += 1
    return rows


def latest(rows: list[Row]) -> Row:
    """The last value of each scalar that was measured."""
    return {name: value for row in rows for name, value in row.items()}


def change(experiment: Experiment[Any], knobs: Knobs, **values: Any) -> Any:
    """Set live knobs; the knobs as they are then."""
    new = type(knobs)(**{**knobs.model_dump(), **values})
    experiment.changed(new, set(values))
    return new


def said_of(experiment: Experiment[Any], knobs: Knobs, panel: str) -> tuple[Any, dict[str, Any]]:
    """A panel's picture, and the values in the sentence read from it; none without a sentence."""
    picture: Any = look(experiment, knobs, panel)
    return picture, dict(picture.reading.values) if picture.reading else {}


def break_weights(experiment: Experiment[Any]) -> None:
    """Every weight becomes NaN, as after a step that diverged."""

    def fill(value: Any) -> None:
        if isinstance(value, torch.nn.Module):
            for parameter in value.parameters():
                parameter.data.fill_(torch.nan)
        elif isinstance(value, torch.nn.Parameter):
            value.data.fill_(torch.nan)
        elif isinstance(value, dict | list | tuple):
            for one in value.values() if isinstance(value, dict) else value:
                fill(one)

    for value in vars(experiment).values():
        fill(value)
    experiment.step_index += 1


def assert_steps_are_adams(experiment: Any, twin: Any, knobs: Any) -> None:
    """The first five steps are torch's Adam on the objective, which `twin`, built alike, is taken down by."""
    reference = torch.optim.Adam(twin.model.parameters(), knobs.lr)
    for n in range(5):
        (row,) = take(experiment, knobs, 1)
        twin.step_index = n
        loss = twin.objectives(knobs)[""].loss()
        assert row["loss/train"] == pytest.approx(loss.item())
        reference.zero_grad()
        loss.backward()
        reference.step()
    for mine, theirs in zip(experiment.model.parameters(), twin.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


class Driven:
    """An experiment with its knobs and all its scalars so far."""

    def __init__(self, cls: type[Experiment[Any]], seed: int = 0, **knobs: Any) -> None:
        self.experiment: Any
        self.experiment, self.knobs = built(cls, seed, **knobs)
        self.rows: list[Row] = []

    def train(self, steps: int) -> Any:
        for _ in range(steps):  # what was measured stays, should one of them raise
            self.rows += take(self.experiment, self.knobs, 1)
        return self

    def change(self, **knobs: Any) -> Any:
        self.knobs = change(self.experiment, self.knobs, **knobs)
        return self

    def last(self, scalar: str) -> float:
        return next(row[scalar] for row in reversed(self.rows) if scalar in row)

    def look(self, panel: str) -> Any:
        return look(self.experiment, self.knobs, panel)
