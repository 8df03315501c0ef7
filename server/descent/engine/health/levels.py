"""A scalar's course in bins: each the mean of the values of one flush, some thirty a second."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

KEPT = 100  # bins
COMPARED = 50  # the latest of them, compared with the bins after a change
SOON = 8  # bins for the first judgement
BLOCK = 20  # bins in a row whose median is a level, at most
BEGUN = 5  # bins that count as the beginning
MUCH = 0.5  # of the loss: a rise that is much worse
MOST = 0.25  # of the loss in the beginning: a larger rise is much worse in any case
LEAST = 0.01  # the same: a smaller rise is nothing
FAR = 0.05  # the same: further above the lowest is far
ACCURACY = 0.15  # a drop that is much worse
TRAINED = 2.0  # of the loss: a rise that is much worse if the loss in the beginning is unknown


@dataclass(frozen=True)
class Level:
    """Where a scalar stood before a change. Losses and accuracies alike: `sign` −1 turns the latter round."""

    bins: tuple[float, ...]  # the latest
    value: float
    rise: float  # above it, it is much worse
    sign: int = 1

    def worst(self, block: int) -> float:
        """The highest median of `block` bins in a row."""
        bins = [self.sign * value for value in self.bins]
        starts = range(max(1, len(bins) - block + 1))
        return max(median(bins[start : start + block]) for start in starts)

    def passed(self, latest: Sequence[float]) -> bool:
        """Whether bins since the change lie much worse: the last few, or most of the last many; and worse
        than any as many in a row did before.
        """
        return any(
            len(latest) >= count and self._passed([self.sign * value for value in latest[-count:]], below)
            for count, below in ((SOON, 0), (BLOCK, BLOCK // 5))
        )

    def _passed(self, latest: Sequence[float], below: int) -> bool:
        limit = self.sign * self.value + self.rise
        return sorted(latest)[below] > limit and median(latest) > self.worst(len(latest))

    def regained(self, latest: Sequence[float]) -> bool:
        """Whether these bins are by and large as good as it was."""
        return median(self.sign * value for value in latest) < self.sign * self.value + self.rise / 2


@dataclass
class Series:
    """A scalar's latest bins, how many there were, and its level in the beginning and at its best."""

    accuracy: bool = False
    bins: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    count: int = 0
    values: int = 0  # in all bins
    first: float = math.nan
    best: float = math.inf
    best_at: int = 0  # its step

    def add(self, step: int, values: Sequence[float]) -> None:
        """Add the values of one flush, up to `step`; NaN where none was measured."""
        total = sum(values)
        if total != total:
            values = [value for value in values if value == value]
            total = sum(values)
        if not values:
            return
        self.bins.append(total / len(values))
        self.count += 1
        self.values += len(values)
        if self.count == BEGUN:
            self.first = median(self.bins)
        if self.count >= BEGUN and self.sign * self.now < self.best:
            self.best, self.best_at = self.sign * self.now, step

    @property
    def sign(self) -> int:
        """−1 where more is better."""
        return -1 if self.accuracy else 1

    def latest(self, count: int) -> list[float]:
        """The last `count` bins, or all."""
        return list(self.bins)[-count:]

    @property
    def now(self) -> float:
        """The median of the latest bins."""
        return median(self.latest(BEGUN))

    @property
    def good(self) -> bool:
        """Whether it is about as good as it has been."""
        best = self.sign * self.best
        return self.count < BEGUN or self.sign * (self.now - best) <= self._rise(best) / 5

    @property
    def climbs(self) -> bool:
        """Whether it is far above its lowest."""
        best, first = self.sign * self.best, abs(self.first)
        return self.count >= BEGUN and self.sign * (self.now - best) > max(self._rise(best), FAR * first)

    def level(self, fresh: bool) -> Level | None:
        """The present level; None without bins. `fresh`: it began with an untrained network."""
        if not self.bins:
            return None
        value = median(self.latest(BLOCK))
        return Level(tuple(self.latest(COMPARED)), value, self._rise(value, fresh), self.sign)

    def _rise(self, value: float, fresh: bool = True) -> float:
        if self.accuracy:
            return ACCURACY
        first = abs(self.first if self.count >= BEGUN else self.bins[0])
        if not fresh:
            return max(TRAINED * abs(value), LEAST * first)
        return max(min(MUCH * abs(value), MOST * first), LEAST * first)
