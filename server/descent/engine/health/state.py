"""One run's state of health.

Two kinds of signs. Scalars, as they are flushed: cheap, and none is missed. Gradients and curvature, now and
then, within a share of the time. A finding is reported once, and again when moved knobs have come to rest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from descent.contract import Experiment, Knobs
from descent.engine.health.changes import DRAG, Changes
from descent.engine.health.finding import Finding
from descent.engine.health.gradients import DEAD_OVER, Gradients
from descent.engine.health.listening import Listening

CONFIRMED = 3  # examinations in a row that must agree
PATIENCE = 4  # factor by which the wait grows after each recovery
SOONER = {"uphill": 1, "above-edge": 2}  # these are as good as certain
NEWS = frozenset({"overfitting", "recovered", "worse", "stuck"})  # they carry their own way back, if any
FROM_THE_START = frozenset({"batch", "sigmoid", "start"})  # causes that no way back undoes
REMEMBERED = 32  # examinations at which all was well


class Health:
    """The health of one run, and the findings reported so far."""

    def __init__(
        self,
        experiment: Experiment[Any],
        clock: Callable[[], float] = time.perf_counter,
        coming: Callable[[Knobs], Mapping[str, Sequence[Tensor]]] | None = None,
    ) -> None:
        """`clock`: seconds. `coming`: the steps that the objectives' parameters are about to take."""
        self._experiment = experiment
        self._clock = clock
        self._began = experiment.step_index
        fresh = self._began == 0
        self._listening = Listening(experiment.measures, fresh=fresh)
        self._changes = Changes(experiment.measures, fresh=fresh)
        self._gradients = Gradients(experiment, self._listening, coming)
        self._told: set[str] = set()
        self._out: list[str] = []  # learners, in the order in which they left
        self._agreed: dict[str, int] = {}  # examinations in a row that saw a sign
        self._standing: dict[str, Finding] = {}  # reported findings of gradients and curvature that hold
        self._missed: dict[str, int] = {}  # examinations in a row that did not see them
        self._overs: dict[str, int] = {}  # recoveries since knobs were moved
        self._clean: list[int] = []  # steps of examinations at which all was well
        self._rests_at = math.inf  # seconds, after knobs were moved

    def changed(self, before: Knobs, after: Knobs) -> None:
        """Take in a change of knobs. Findings that hold are reported again once the knobs are at rest."""
        moved = {
            name: (_plain(getattr(before, name)), _plain(getattr(after, name)))
            for name in type(after).model_fields.keys() - after.looks()
            if getattr(before, name) != getattr(after, name)
        }
        if not moved:
            return
        self._rests_at = self._clock() + DRAG
        if moved.keys() & after.tasks():
            self._listening.forget()
            self._changes.forget()
            self._gradients.forget()
            self._agreed.clear()
            self._standing.clear()
        else:
            step, series = self._experiment.step_index, self._listening.series
            self._changes.made(step, moved, series, self._clock())

    def hear(
        self, steps: Sequence[int], columns: Mapping[str, Sequence[float]], knobs: Knobs
    ) -> list[Finding]:
        """Findings from the scalars of consecutive steps."""
        now = self._clock()
        self._listening.add(steps[-1], columns, now)
        found = self._who_is_out()
        found += self._changes.judge(self._listening.series, now, self.well_at, self._out)
        if now >= self._rests_at:
            self._rests_at = math.inf
            self._told.clear()
            self._overs.clear()
            if not found:
                found = [*self._who_is_out(again=True), *self._changes.again(self._listening.series)]
        return found + self._news(self._signs())

    def _signs(self) -> list[Finding]:
        return self._listening.signs(self._changes.standing, self._changes.doubtful(self._listening.series))

    def _who_is_out(self, again: bool = False) -> list[Finding]:
        """The finding that a learner has left, or that all are back after a new start."""
        before, now = self._out, self._experiment.out()
        self._out = [name for name in before if name in now] + [name for name in now if name not in before]
        if before and not now:
            return [Finding("recovered", {"of": ["out"]})]
        if not now or (set(now) <= set(before) and not again):
            return []
        step = self._experiment.step_index
        blamed = self._changes.blame(self._out[-1])
        return [Finding("out", {**blamed, "racer": self._out[-1], "racers": list(self._out), "at": step})]

    def examine(self, knobs: Knobs) -> list[Finding]:
        """Look at the gradients of the coming step, and at the curvature there."""
        signs = {sign.code: sign for sign in reversed(self._gradients.examine(knobs))}
        self._agreed = {code: self._agreed.get(code, 0) + 1 for code in signs}
        self._keep_in_mind(signs.keys())
        over = self._over(signs.keys())
        confirmed = {
            code: sign for code, sign in signs.items() if self._agreed[code] >= SOONER.get(code, CONFIRMED)
        }
        news = self._news(list(confirmed.values()))
        self._standing |= {sign.code: sign for sign in news}
        return ([Finding("recovered", {"of": over})] if over else []) + news

    def _over(self, seen: Collection[str]) -> list[str]:
        """Codes of reported findings unseen for some examinations; not those of a network that is gone.

        The wait grows with each recovery: a finding that comes and goes stands.
        """
        over = []
        for code, sign in tuple(self._standing.items()):
            gone = code not in seen and self._gradients.looks_at(sign.params.get("objective", ""))
            self._missed[code] = self._missed.get(code, 0) + 1 if gone else 0
            if self._missed[code] >= CONFIRMED * PATIENCE ** self._overs.get(code, 0):
                over.append(code)
                self._overs[code] = self._overs.get(code, 0) + 1
                del self._standing[code], self._missed[code]
        self._told -= set(over)
        return over

    @property
    def pressing(self) -> bool:
        """Whether it is worth looking at gradients soon: a loss climbs, and the cause is unknown."""
        return self._listening.any_climbs and not self._standing.keys() & {"above-edge", "uphill"}

    def _keep_in_mind(self, signs: Collection[str]) -> None:
        """Note the step if all is well. A sign seen after several looks dates from before the first."""
        if self._agreed.get("dead-units") == 1:
            del self._clean[-DEAD_OVER:]
        heard = self._changes.standing or self._out or self._signs()
        if not signs and not heard and self._listening.good:
            self._clean = [*self._clean[-REMEMBERED + 1 :], self._experiment.step_index]

    def last_word(self, knobs: Knobs) -> dict[str, Any]:
        """Params for a run with non-finite numbers: the cause, the last changes, and ways back."""
        known = {**self._gradients.cause(knobs), **self._changes.blame()}
        if self.well_at > self._began:
            known["healthy"] = self.well_at
        return known | {"remedy": self._gradients.slower(knobs)}

    def slower(self, knobs: Knobs) -> dict[str, float]:
        """Lower live learning rates, where that helps."""
        return self._gradients.slower(knobs)

    @property
    def well_at(self) -> int:
        """The last step before which nothing was wrong and the loss was as good as it had been."""
        return self._clean[-1] if self._clean else self._began

    def _news(self, findings: Sequence[Finding]) -> list[Finding]:
        news = [finding for finding in findings if finding.code not in self._told]
        self._told |= {finding.code for finding in news}
        return [self._with_way_back(finding) for finding in news]

    def _with_way_back(self, finding: Finding) -> Finding:
        if finding.code in NEWS or finding.params.get("cause") in FROM_THE_START:
            return finding
        if self._changes.standing:
            return replace(finding, params={**finding.params, **self._changes.blame()})
        if self.well_at > self._began:
            return replace(finding, params={**finding.params, "healthy": self.well_at})
        return finding


def _plain(value: Any) -> Any:
    """The value as JSON has it."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
