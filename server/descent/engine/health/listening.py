"""What the scalars say that an experiment declares as its measures: stuck, overfitting, a lost game."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from descent.engine.health.finding import Finding
from descent.engine.health.levels import Series
from descent.experiment import Measure

STUCK_AFTER = 5000  # values
STUCK_AT = 0.98  # of the loss it began with
OVERFIT = 1.3  # the loss on unseen data, to its lowest
OVERFIT_AFTER = 20  # bins
SETTLED = 200  # values after which a mean says something
LATELY = 50  # bins
OVERPOWERED = 0.02  # what D takes for real of what is not, and misses of what is
COLLAPSED = 0.4  # distance of samples from each other, to that of real ones
GAME = ("d/real", "d/fake", "diversity")


class Listening:
    """The scalars of one run that say how it goes."""

    def __init__(self, measures: Mapping[str, Measure], *, fresh: bool) -> None:
        self._measures = measures
        self._fresh = fresh
        self._heard = (*measures, *GAME)
        self.series: dict[str, Series] = {}

    def forget(self) -> None:
        """What is measured is another thing from now on: this is a beginning."""
        self.series.clear()

    def add(self, step: int, columns: Mapping[str, Sequence[float]]) -> None:
        """Scalars of consecutive steps up to `step`."""
        for name in self._heard:
            if name in columns:
                if name not in self.series:
                    accuracy = name in self._measures and self._measures[name].kind == "accuracy"
                    self.series[name] = Series(accuracy)
                self.series[name].add(step, columns[name])

    def signs(self, broken: bool) -> list[Finding]:
        """What goes wrong by the scalars. `broken`: it is much worse since a knob was changed."""
        stuck = [] if broken else self._stuck()
        return [*stuck, *self._overfitting(), *self._overpowered(), *self._collapsed()]

    @property
    def good(self) -> bool:
        """Whether every loss is about as good as it has been."""
        return all(
            self.series[name].good
            for name, measure in self._measures.items()
            if measure.kind == "loss" and not measure.rival and name in self.series
        )

    def climbing(self, of: str) -> bool:
        """Whether the loss of a learner rises well above its lowest."""
        return any(not self.series[name].good for name in self._of("loss", of))

    def _of(self, kind: str, of: str) -> list[str]:
        found = [n for n, m in self._measures.items() if m.kind == kind and n in self.series]
        own = [name for name in found if self._measures[name].of == of]
        return own or found

    def _stuck(self) -> list[Finding]:
        names = [n for n in self._of("loss", "") if not self._measures[n].rival]
        if not names or not self._fresh:
            return []
        name, series = names[0], self.series[names[0]]
        bound = STUCK_AT * series.first
        if series.values < STUCK_AFTER or not series.first > 0 or series.best < bound:
            return []
        return [
            Finding("stuck", {"scalar": name, "value": series.now, "bound": bound, "steps": series.values})
        ]

    def _overfitting(self) -> list[Finding]:
        for name in self._of("held-out", ""):
            seen = next(iter(self._of("loss", self._measures[name].of)), None)
            unseen = self.series[name]
            if seen is None or unseen.count < OVERFIT_AFTER or unseen.best <= 0:
                continue
            if unseen.now < OVERFIT * unseen.best or self.series[seen].now > 0.9 * unseen.best:
                continue
            bound = OVERFIT * unseen.best
            return [
                Finding(
                    "overfitting",
                    {"scalar": name, "value": unseen.now, "bound": bound, "since": unseen.best_at},
                )
            ]
        return []

    def _overpowered(self) -> list[Finding]:
        real, fake = self._lately("d/real"), self._lately("d/fake")
        if not (real > 1 - OVERPOWERED and fake < OVERPOWERED):
            return []
        return [Finding("d-overpowers", {"real": real, "fake": fake, "bound": OVERPOWERED})]

    def _collapsed(self) -> list[Finding]:
        value = self._lately("diversity")
        return [Finding("mode-collapse", {"value": value, "bound": COLLAPSED})] if value < COLLAPSED else []

    def _lately(self, name: str) -> float:
        """The median of a scalar over the latest bins; NaN before there are enough values."""
        series = self.series.get(name)
        return median(series.latest(LATELY)) if series and series.values >= SETTLED else math.nan
