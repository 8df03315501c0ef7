"""Finds the change of knobs after which a run got much worse: the knobs, from what to what, and the step."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from descent.contract import Measure
from descent.engine.health.finding import Finding
from descent.engine.health.levels import BLOCK, SOON, Level, Series

DRAG = 1.0  # seconds between two changes of a knob that are one movement, at most
SURE = 60  # bins after which a change counts as harmless, once another one has come
LONG = 30.0  # seconds after which the last change is no longer a suspect
REMEMBERED = 8  # changes


@dataclass
class Change:
    """Knobs moved together, and the level of every scalar before."""

    at: int  # step
    knobs: dict[str, tuple[Any, Any]]  # from, to
    moved: float  # when it was last moved, in seconds
    levels: Mapping[str, Level]
    counts: Mapping[str, int]  # bins until then

    def move(self, knobs: Mapping[str, tuple[Any, Any]], now: float) -> None:
        """Extend the movement. A knob that returns to its first value keeps the one it had before that."""
        for name, (before, after) in knobs.items():
            first, last = self.knobs.get(name, (before, after))
            self.knobs[name] = first, last if after == first else after
        self.moved = now


class Changes:
    """The latest changes of knobs, each a suspect until it has proved harmless."""

    def __init__(self, measures: Mapping[str, Measure], *, fresh: bool) -> None:
        """`fresh`: whether the run begins with an untrained network."""
        self._measures = measures
        self._fresh = fresh
        self._own = frozenset(knob for measure in measures.values() for knob in measure.knobs)
        with_loss = {measure.of for measure in measures.values() if measure.kind == "loss"}
        self._judged = [
            name
            for name, measure in measures.items()
            if measure.kind != "held-out" or measure.of not in with_loss
        ]
        self._racing = self._judged  # those of learners that are not out
        self._suspects: list[Change] = []
        # Scalars that are much worse → their level before, and the number of bins when that was found.
        self._standing: dict[str, tuple[Level, int]] = {}
        self._cause: list[Change] = []  # the changes that made them worse
        self._word: dict[str, Any] = {}  # the finding's other params

    @property
    def standing(self) -> bool:
        """Whether something is much worse than before a change."""
        return bool(self._standing)

    def doubtful(self, series: Mapping[str, Series]) -> bool:
        """Whether the last change may yet turn out to have done harm."""
        return bool(self._suspects) and self._in_doubt(self._suspects[-1], series)

    def forget(self) -> None:
        """Drop all changes: measures before and after cannot be compared."""
        self._suspects, self._cause = [], []
        self._standing.clear()

    def made(
        self, step: int, knobs: Mapping[str, tuple[Any, Any]], series: Mapping[str, Series], now: float
    ) -> bool:
        """Take in a change of knobs. True if it begins a new movement."""
        last = self._suspects[-1] if self._suspects else None
        if last and knobs.keys() <= last.knobs.keys() and now - last.moved < DRAG:
            last.move(knobs, now)
            return False
        found = {name: series[name].level(self._fresh) for name in self._racing if name in series}
        levels = {name: level for name, level in found.items() if level is not None}
        counts = {name: series[name].count for name in levels}
        self._suspects = [*self._suspects[-REMEMBERED + 1 :], Change(step, dict(knobs), now, levels, counts)]
        return True

    def judge(
        self, series: Mapping[str, Series], now: float, healthy: int, out: Collection[str] = ()
    ) -> Iterator[Finding]:
        """Findings `worse` and `recovered`. A scalar that gets worse while another one stands is no news: the
        way back is the one already given. Learners that are `out` have not recovered, but are not waited for.
        """
        self._racing = [name for name in self._judged if self._measures[name].of not in out]
        self._standing = {name: level for name, level in self._standing.items() if name in self._racing}
        told = self.standing
        found = self._worse(series)
        self._standing |= {
            name: (self._suspects[index].levels[name], series[name].count) for _, name, index in found
        }
        if found and not told:
            _, scalar, index = max(found)
            self._cause = self._suspects[self._first(index) : index + 1]
            at = self._cause[0].at
            self._word = {
                "scalar": scalar,
                "was": self._standing[scalar][0].value,
                "healthy": min(healthy, at),
            }
            yield self._tell(series)
        elif told and self._recovered(series):
            self.forget()
            yield Finding("recovered", {"of": ["worse"]})
        self._acquit(series, now)

    def again(self, series: Mapping[str, Series]) -> list[Finding]:
        """The standing finding with its present values; for when the knobs have come to rest."""
        return [self._tell(series)] if self.standing else []

    def _tell(self, series: Mapping[str, Series]) -> Finding:
        scalar = self._word["scalar"]
        others = [name for name in self._standing if name != scalar]
        now = {"value": series[scalar].now, "others": others}
        return Finding("worse", {**self._word, **now, **told_of(self._cause)})

    def blame(self, of: str | None = None) -> dict[str, Any]:
        """The changes to blame, their step, and the way back to before them: the cause of the standing
        finding, or else the last change and those just before it, if it acts on the learner `of`; or nothing.
        """
        if self._cause:
            return told_of(self._cause)
        if not self._suspects or not self._concerns(self._suspects[-1].knobs, of):
            return {}
        return told_of(self._suspects[self._first(len(self._suspects) - 1) :])

    def _concerns(self, knobs: Collection[str], of: str | None) -> bool:
        scalars = [name for name, measure in self._measures.items() if of is None or measure.of == of]
        return not scalars or any(self._acts(knobs, name) for name in scalars)

    def _worse(self, series: Mapping[str, Series]) -> list[tuple[float, str, int]]:
        """Scalars that are much worse: the excess, the scalar, and the index of the suspect."""
        found = []
        for name in self._racing:
            if name in self._standing or name not in series:
                continue
            for index in reversed(range(len(self._suspects))):
                change = self._suspects[index]
                if name not in change.levels or not self._acts(change.knobs, name):
                    continue
                level, latest = change.levels[name], series[name].latest(self._since(change, name, series))
                if level.passed(latest):
                    excess = abs(series[name].now - level.value) / level.rise
                    found.append((excess, name, index))
                    break
        return found

    def _since(self, change: Change, name: str, series: Mapping[str, Series]) -> int:
        return min(BLOCK, series[name].count - change.counts[name])

    def _first(self, index: int) -> int:
        """The earliest suspect that goes with this one: there was no time between to see what it did."""
        while index > 0 and self._hurried(index):
            index -= 1
        return index

    def _hurried(self, index: int) -> bool:
        before, change = self._suspects[index - 1], self._suspects[index]
        shared = before.levels.keys() & change.levels.keys()
        if any(change.counts[name] - before.counts[name] >= SOON for name in shared):
            return any(  # it was on its way already
                abs(change.levels[name].value - before.levels[name].value) > before.levels[name].rise / 4
                and before.levels[name].sign * (change.levels[name].value - before.levels[name].value) > 0
                for name in shared
            )
        return True

    def _acts(self, knobs: Collection[str], scalar: str) -> bool:
        """Whether one of these knobs acts on the learner that a scalar is of."""
        return any(knob in self._measures[scalar].knobs or knob not in self._own for knob in knobs)

    def _recovered(self, series: Mapping[str, Series]) -> bool:
        """Whether all that was much worse is as good again."""
        for name, (level, since) in tuple(self._standing.items()):
            one = series[name]
            if one.count - since >= BLOCK and level.regained(one.latest(BLOCK)):
                del self._standing[name]
        return not self._standing

    def _acquit(self, series: Mapping[str, Series], now: float) -> None:
        """Drop changes that did no harm for long enough."""
        if self._standing:
            return
        self._suspects = [
            change
            for change in self._suspects
            if (now - change.moved < LONG if change is self._suspects[-1] else self._in_doubt(change, series))
        ]

    def _in_doubt(self, change: Change, series: Mapping[str, Series]) -> bool:
        counts = {name: count for name, count in change.counts.items() if name in self._racing}
        return any(series[name].count - count < SURE for name, count in counts.items() if name in series)


def told_of(changes: Sequence[Change]) -> dict[str, Any]:
    """Consecutive changes as params: each knob's first and last value, the step, and the way back."""
    knobs: dict[str, list[Any]] = {}
    for change in changes:
        for name, (before, after) in change.knobs.items():
            knobs[name] = [knobs.get(name, [before])[0], after]
    back = {"step": changes[0].at, "knobs": {name: pair[0] for name, pair in knobs.items()}}
    return {"changes": knobs, "at": changes[0].at, "back": back}
