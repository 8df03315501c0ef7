"""An experiment whose health is watched as the engine does, in simulated time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from descent.contract import Experiment
from descent.engine.checkpoint import Checkpointer
from descent.engine.health import Finding, Health
from descent.engine.objectives.effects import Effects
from descent.engine.scalars import LARGEST
from driving import Driven, take

FRAME = 1 / 30  # seconds between two batches of scalars
EXAMINED_EVERY, EXAMINED_SOON = 1.0, 0.25  # seconds
SPEED = {
    "neural_playground": 1000.0,
    "schedules": 300.0,
    "lstm_cells": 40.0,
    "transformer": 20.0,
    "dcgan": 40.0,
    "gan_2d": 300.0,
    "diffusion": 300.0,
}  # steps per second, as on a quiet core
USUAL = 40.0


class Watched(Driven):
    """`found`: what was told, and after how many seconds."""

    def __init__(self, cls: type[Experiment[Any]], seed: int = 0, **knobs: Any) -> None:
        super().__init__(cls, seed, **knobs)
        self.seconds = 0.0
        self.over = False  # diverged
        self.found: list[tuple[float, Finding]] = []
        self.speed = cls.pace or SPEED.get(Path(cls.__module__.replace(".", "/")).name, USUAL)
        effects = Effects(self.experiment, Checkpointer(self.experiment))
        self.health = Health(self.experiment, lambda: self.seconds, effects.coming)
        self._begun_with = cls, seed, dict(knobs)
        self._changes: list[tuple[int, Mapping[str, Any]]] = []
        self._examine_at = self._examine_soon = 0.0
        self._steps = 0.0

    def live(self, seconds: float, until: Callable[[Finding], bool] = lambda finding: False) -> Watched:
        """Train for so long, at the experiment's own pace, or until something is told."""
        end = self.seconds + seconds
        while self.seconds < end - 1e-9:
            if self.seconds >= self._examine_at:
                self._examine_at, self._examine_soon = (
                    self.seconds + EXAMINED_EVERY,
                    self.seconds + EXAMINED_SOON,
                )
                self._tell(self.health.examine(self.knobs))
            self.seconds += FRAME
            self._steps += self.speed * FRAME
            if self._steps >= 1:
                self._flush(int(self._steps))
                self._steps -= int(self._steps)
                if self.health.pressing:
                    self._examine_at = min(self._examine_at, self._examine_soon)
            if self.over:
                break
            if self.found and until(self.found[-1][1]):
                break
        return self

    def turn(self, **knobs: Any) -> Watched:
        """Set live knobs."""
        before = self.knobs
        self._changes.append((self.experiment.step_index, knobs))
        self.change(**knobs)
        self.health.changed(before, self.knobs)
        return self

    def drag(self, knob: str, to: float, seconds: float = 0.5, moves: int = 10) -> Watched:
        """Evenly on a logarithmic axis."""
        start = getattr(self.knobs, knob)
        for move in range(1, moves + 1):
            self.turn(**{knob: to if move == moves else start * (to / start) ** (move / moves)})
            self.live(seconds / moves)
        return self

    def gone_back(self, finding: Finding) -> Watched:
        """Another run that goes on from where a finding says, and with those knobs."""
        cls, seed, knobs = self._begun_with
        other, back = Watched(cls, seed, **knobs), finding.params["back"]
        for step, values in self._changes:
            if step <= back["step"]:
                other.train(step - other.experiment.step_index).change(**values)
        other.train(back["step"] - other.experiment.step_index).change(**back["knobs"])
        effects = Effects(other.experiment, Checkpointer(other.experiment))
        other.health = Health(other.experiment, lambda: other.seconds, effects.coming)
        return other

    def mean(self, scalar: str, last: int = 30) -> float:
        """Of the latest values."""
        values = [row[scalar] for row in self.rows[-50 * last :] if scalar in row][-last:]
        return sum(values) / len(values)

    @property
    def codes(self) -> list[str]:
        return [finding.code for _, finding in self.found]

    def told(self, code: str) -> Finding:
        """The last finding of this code."""
        return next(finding for _, finding in reversed(self.found) if finding.code == code)

    def _flush(self, steps: int) -> None:
        rows = take(self.experiment, self.knobs, steps)
        self.rows += rows
        columns = {name: [row.get(name, math.nan) for row in rows] for name in {n for r in rows for n in r}}
        last = self.experiment.step_index - 1
        self.over = any(not abs(value) <= LARGEST for value in rows[-1].values())
        if self.over:
            self._tell([Finding("non-finite", self.health.last_word(self.knobs))])
            return
        self._tell(self.health.hear(range(last - steps + 1, last + 1), columns, self.knobs))

    def _tell(self, findings: list[Finding]) -> None:
        self.found += [(self.seconds, finding) for finding in findings]
