"""The pace of training: as many steps a second as asked for, after a beginning that the eye can follow."""

from __future__ import annotations

import time
from math import inf, log

DOUBLES = 0.5  # seconds in which the pace doubles after the slow beginning
FASTEST = 2000.0  # steps per second at which the beginning is over
UNTRAINED = 0.5  # seconds for which the untrained picture stands


class Pace:
    """When the next step is due.

    `limit`: steps per second, None for as many as there can be. `opening`: steps per second in the first
    `seconds`; from then on the pace doubles every half second. It depends on the step alone, so a run that
    begins later begins as fast as it would be there.
    """

    def __init__(self, limit: float | None, opening: float, seconds: float) -> None:
        self.limit = limit
        self._opening = opening if seconds else inf
        self._held = opening * seconds  # steps
        self._due = 0.0

    def set(self, limit: float | None) -> None:
        """The learner's pace, from now on."""
        self.limit, self._opening = limit, inf
        self._due = time.perf_counter()

    def at(self, step: int) -> float | None:
        """Steps per second when so many were taken; None: as many as there can be."""
        rate = self._opening + max(0.0, step - self._held) * log(2) / DOUBLES
        return self.limit if rate > FASTEST else min(rate, self.limit or inf)

    def begin(self, step: int) -> None:
        """Training goes on now, or where it has a slow beginning after a moment."""
        untrained = step == 0 and self._opening < inf
        self._due = time.perf_counter() + (UNTRAINED if untrained else 0.0)

    def due(self, step: int) -> float:
        """When the next step may be taken, by `time.perf_counter`."""
        return self._due if self.at(step) is not None else 0.0

    def took(self, step: int, now: float) -> None:
        """A step was taken; a late one does not make the following ones hurry by more than one interval."""
        if rate := self.at(step):
            self._due = max(self._due + 1 / rate, now - 1 / rate)
