"""How long a run has trained, by which the page places its steps in time."""

from __future__ import annotations

from math import inf

FINEST = 0.25  # seconds from one mark to the next, at least
SHARE = 0.02  # of the time so far, which keeps a day's marks below a thousand


class TrainingClock:
    """Seconds of training, without those of pauses; and when they are to be told again.

    Each time is of `time.perf_counter`. It begins at 0 in each process: what a run trained before is not in.
    """

    def __init__(self) -> None:
        self._before = 0.0  # seconds until it last stood still
        self._since: float | None = None
        self.due = inf

    @property
    def ticks(self) -> bool:
        """Whether training goes on."""
        return self._since is not None

    def goes(self, now: float) -> None:
        """Training goes on."""
        if not self.ticks:
            self._since = now
        self.told(now)

    def stands(self, now: float) -> None:
        """Training pauses, or has ended."""
        self._before, self._since, self.due = self.seconds(now), None, inf

    def seconds(self, now: float) -> float:
        """Seconds trained so far."""
        return self._before + (0.0 if self._since is None else now - self._since)

    def told(self, now: float) -> None:
        """They were told just now."""
        self.due = now + max(FINEST, SHARE * self.seconds(now))
