"""Diagnosis from the scalars that an experiment declares as measures: stuck, overfitting, a lost game."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from descent.contract import Measure
from descent.engine.health.finding import Finding
from descent.engine.health.levels import FAR, Series

STUCK_AFTER = 5000  # values
STUCK_FOR = 20.0, 300  # seconds and values, where there are fewer a second
STUCK_AT = 0.98  # of the loss it began with
PERFECT = 0.98  # an accuracy at which nothing is stuck
OVERFIT = 1.25  # the loss on unseen data, to its lowest
OVERFIT_AFTER = 15  # bins
SETTLED = 200  # values after which a mean is meaningful
LATELY = 50  # bins
OVERPOWERED = 0.02  # share of fakes that D takes for real, and of real ones that it misses
COLLAPSED = 0.4  # distance of samples from each other, to that of real ones
SPREADING = 1.25  # times the distance a while ago: samples that all began alike come apart
FEW_KINDS = 3.5  # effective number of kinds: as varied as that many, evenly drawn
GAME = ("d/real", "d/fake", "diversity", "kinds")


class Listening:
    """The scalars of one run that measure its progress."""

    def __init__(self, measures: Mapping[str, Measure], *, fresh: bool) -> None:
        self._measures = measures
        self._fresh = fresh
        self._heard = (*measures, *GAME)
        self._begun = math.nan  # in seconds
        self._seconds = 0.0  # since then
        self._first = self._last = 0  # steps
        self.series: dict[str, Series] = {}

    def forget(self) -> None:
        """Reset after a change of task; the network no longer counts as untrained."""
        self.series.clear()
        self._fresh = False

    def add(self, step: int, columns: Mapping[str, Sequence[float]], now: float) -> None:
        """Add scalars of consecutive steps up to `step`, received at `now`, in seconds."""
        if math.isnan(self._begun):
            self._begun, self._first = now, step
        self._last = step
        self._seconds = now - self._begun
        for name in self._heard:
            if name in columns:
                if name not in self.series:
                    accuracy = name in self._measures and self._measures[name].kind == "accuracy"
                    self.series[name] = Series(accuracy)
                self.series[name].add(step, columns[name])

    def signs(self, broken: bool, doubtful: bool) -> list[Finding]:
        """Findings from the scalars. `broken`: they are much worse since a knob was changed; `doubtful`: it
        is too early to say whether they will be.
        """
        stuck = [] if broken else self._stuck()
        overfitting = [] if broken or doubtful else self._overfitting()
        return [*stuck, *overfitting, *self._overpowered(), *self._collapsed()]

    @property
    def good(self) -> bool:
        """Whether every loss is about as good as it has been."""
        return all(
            self.series[name].good
            for name, measure in self._measures.items()
            if measure.kind == "loss" and not measure.rival and name in self.series
        )

    @property
    def any_climbs(self) -> bool:
        """Whether the loss of any learner is far above its lowest."""
        return any(self.series[n].climbs for n in self._kind("loss") if not self._measures[n].rival)

    def climbing(self, of: str) -> bool:
        """Whether the loss of the learner `of` is far above its lowest."""
        return any(self.series[name].climbs for name in self._of("loss", of))

    def _kind(self, kind: str) -> list[str]:
        return [n for n, measure in self._measures.items() if measure.kind == kind and n in self.series]

    def _of(self, kind: str, of: str) -> list[str]:
        """The measured scalars of a kind of this learner; all of them if none is its own."""
        found = self._kind(kind)
        return [name for name in found if self._measures[name].of == of] or found

    def _stuck(self) -> list[Finding]:
        """The finding that no loss is lower than in the beginning, and no accuracy near 1."""
        losses = {
            name: self.series[name]
            for name, measure in self._measures.items()
            if measure.kind == "loss" and not measure.rival and name in self.series
        }
        if not self._fresh or not losses or not all(map(self._is_stuck, losses.values())):
            return []
        accuracies = [self.series[name] for name in self._kind("accuracy")]
        if any(series.count and series.now >= PERFECT for series in accuracies):
            return []
        name, series = next(iter(losses.items()))
        params = {
            "scalar": name,
            "value": series.now,
            "bound": STUCK_AT * series.first,
            "steps": series.values,
        }
        return [Finding("stuck", params)]

    def _is_stuck(self, series: Series) -> bool:
        seconds, values = STUCK_FOR
        long = series.values >= STUCK_AFTER or (self._seconds >= seconds and series.values >= values)
        return long and series.first > 0 and series.best >= STUCK_AT * series.first

    def _overfitting(self) -> list[Finding]:
        for name in self._kind("held-out"):
            unseen = self.series[name]
            learnt = [self.series[loss] for loss in self._of("loss", self._measures[name].of)]
            bound = max(OVERFIT * unseen.best, unseen.best + FAR * abs(unseen.first))
            if unseen.count < OVERFIT_AFTER or not unseen.best > 0 or not unseen.now > bound:
                continue
            if learnt and all(series.good for series in learnt):
                params = {"scalar": name, "value": unseen.now, "bound": bound, "since": unseen.best_at}
                return [Finding("overfitting", params)]
        return []

    def _overpowered(self) -> list[Finding]:
        real, fake = self._lately("d/real"), self._lately("d/fake")
        if not (real > 1 - OVERPOWERED and fake < OVERPOWERED):
            return []
        return [Finding("d-overpowers", {"real": real, "fake": fake, "bound": OVERPOWERED})]

    def _collapsed(self) -> list[Finding]:
        """Samples that all look alike, or are of few kinds. Ignored while D overpowers: no samples yet."""
        if self._overpowered():
            return []
        if (value := self._lately("diversity")) < COLLAPSED and not self._spreads():
            return [Finding("mode-collapse", {"value": value, "bound": COLLAPSED})]
        if (kinds := self._lately("kinds")) < FEW_KINDS:
            return [Finding("mode-collapse", {"value": kinds, "bound": FEW_KINDS, "cause": "kinds"})]
        return []

    def _spreads(self) -> bool:
        """Whether samples are alike no longer, or less and less: an untrained G makes all nearly equal."""
        series = self.series["diversity"]
        lately = series.latest(LATELY)
        before = median(lately[: (len(lately) + 1) // 2])
        return series.now >= min(COLLAPSED, SPREADING * before)

    def _lately(self, name: str) -> float:
        """The median of a scalar over the latest bins; NaN before there are enough values."""
        series = self.series.get(name)
        return median(series.latest(LATELY)) if series and series.values >= SETTLED else math.nan
