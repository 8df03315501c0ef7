"""One run's state of health.

Two kinds of signs. Scalars, as they are flushed: cheap, and none is missed. Gradients and curvature, now and
then, within a share of the time. A finding is told once, and again only after a knob was moved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from descent.engine.health.changes import Changes
from descent.engine.health.finding import Finding
from descent.engine.health.gradients import Gradients
from descent.engine.health.listening import Listening
from descent.experiment import Experiment, Knobs

CONFIRMED = 3  # examinations in a row that must agree
HARM = frozenset(
    {"exploding", "vanishing", "above-edge", "dead-units", "d-overpowers", "mode-collapse", "stuck"}
)


class Health:
    """What is known of one run, and what was told of it."""

    def __init__(self, experiment: Experiment[Any], clock: Callable[[], float] = time.perf_counter) -> None:
        self._experiment = experiment
        self._clock = clock
        fresh = experiment.step_index == 0
        self._began = experiment.step_index
        self._listening = Listening(experiment.measures, fresh=fresh)
        self._changes = Changes(experiment.measures, fresh=fresh)
        self._gradients = Gradients(experiment, self._listening)
        self._told: set[str] = set()
        self._agreed: dict[str, int] = {}  # examinations in a row that saw a sign
        self._heard: set[str] = set()  # signs in the scalars that hold
        self._clean: list[int] = [self._began]  # steps of examinations at which all was well

    def changed(self, before: Knobs, after: Knobs) -> None:
        """Knobs were changed: what was told may be told again, and is judged anew."""
        fields = type(after).model_fields
        moved = {
            name: (getattr(before, name), getattr(after, name))
            for name in fields.keys() - after.looks()
            if getattr(before, name) != getattr(after, name)
        }
        if not moved:
            return
        step = self._experiment.step_index
        if moved.keys() & after.tasks():
            self._listening.forget()
            self._changes.forget()
        elif not self._changes.made(step, _plain(moved), self._listening.series, self._clock()):
            return
        self._told.clear()
        self._agreed.clear()
        self._gradients.forget()

    def hear(
        self, steps: Sequence[int], columns: Mapping[str, Sequence[float]], knobs: Knobs
    ) -> list[Finding]:
        """Scalars of consecutive steps."""
        self._listening.add(steps[-1], columns)
        signs = self._listening.signs(self._changes.standing)
        self._heard = {sign.code for sign in signs}
        worse = list(self._changes.judge(self._listening.series, self._clock(), self.well_at))
        if any(finding.code == "worse" for finding in worse):
            self._told.add("stuck")  # it broke
        return worse + self._news(signs)

    def examine(self, knobs: Knobs) -> list[Finding]:
        """Look at the gradients of the coming step, and at the curvature there."""
        signs = self._gradients.examine(knobs)
        seen = {sign.code for sign in signs}
        for code in {*self._agreed, *seen}:
            self._agreed[code] = self._agreed.get(code, 0) + 1 if code in seen else 0
        if not seen and not self._heard and not self._changes.standing and self._listening.good:
            self._clean = [*self._clean[-15:], self._experiment.step_index]
        return self._news([sign for sign in signs if self._agreed[sign.code] >= CONFIRMED])

    def blame(self) -> dict[str, Any]:
        """What was changed last, at which step, and the way back to before it; for a run that has ended."""
        return self._changes.blame()

    def slower(self, knobs: Knobs) -> dict[str, float]:
        """Live learning rates at half of what they are, or less where curvature last set a lower bound."""
        return self._gradients.slower(knobs)

    @property
    def well_at(self) -> int:
        """The last step before which nothing was wrong and the loss was as good as it had been."""
        return self._clean[-1]

    def _news(self, findings: Sequence[Finding]) -> list[Finding]:
        news = []
        for finding in findings:
            if finding.code in self._told:
                continue
            self._told.add(finding.code)
            if finding.code in HARM and self.well_at > self._began:
                finding = replace(finding, params={**finding.params, "healthy": self.well_at})
            news.append(finding)
        return news


def _plain(knobs: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """Values as JSON has them."""
    return {name: tuple(list(v) if isinstance(v, tuple) else v for v in pair) for name, pair in knobs.items()}  # type: ignore[misc]
