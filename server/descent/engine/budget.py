"""When a probe may run: observation gets a share of wall time, and training never pays more.

Each watched panel wants a frame every `1 / max_fps` seconds, and each frame costs what it was measured
to cost. If all wishes together exceed the share, the cheap panels still get theirs and the expensive
ones share what is left (water-filling), so that Σ cost / interval ≤ share always holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

FIRST_GUESS = 0.004  # seconds, of a probe that has not run yet
SMOOTHING = 0.3  # of the measured cost, per run of the probe
LONGEST_INTERVAL = 10.0  # seconds; even a probe beyond its means is looked at now and then


def intervals(costs: Mapping[str, float], share: float, max_fps: float) -> dict[str, float]:
    """Seconds between two frames of each panel, given its cost in seconds."""
    wish = 1 / max_fps
    granted: dict[str, float] = {}
    left = share
    # Cheapest first: whoever needs less than an equal part leaves the rest to the others.
    for position, (name, cost) in enumerate(sorted(costs.items(), key=lambda item: item[1])):
        part = min(cost / wish, left / (len(costs) - position))
        granted[name] = min(max(wish, cost / part), LONGEST_INTERVAL) if part > 0 else LONGEST_INTERVAL
        left -= part
    return granted


class Budget:
    """Schedules the watched panels' probes. All times are seconds on one monotonic clock."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.next_due = float("inf")  # the loop compares this one number after each step
        self._max_fps = 30.0
        self._cost: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._interval: dict[str, float] = {}

    @property
    def panels(self) -> tuple[str, ...]:
        """The watched panels that have a probe."""
        return tuple(self._due)

    def watch(self, panels: Iterable[str], max_fps: float, now: float) -> list[str]:
        """Watch exactly `panels`; returns those that are new, which are to be looked at now."""
        wanted = list(panels)
        new = [name for name in wanted if name not in self._due]
        self._due = {name: self._due.get(name, now) for name in wanted}
        self._max_fps = max_fps
        self._plan()
        return new

    def due(self, now: float) -> str | None:
        """The panel whose time has come, if there is one."""
        if now < self.next_due or not self._due:
            return None
        return min(self._due, key=self._due.__getitem__)

    def spent(self, panel: str, seconds: float, now: float) -> None:
        """`panel` was looked at, until `now`, at this cost."""
        before = self._cost.get(panel)
        self._cost[panel] = seconds if before is None else before + SMOOTHING * (seconds - before)
        self._plan()
        self._due[panel] = now + self._interval[panel]
        self.next_due = min(self._due.values())

    def forget(self, panel: str) -> None:
        """Look at `panel` no more."""
        self._due.pop(panel, None)
        self._plan()

    def _plan(self) -> None:
        costs = {name: self._cost.get(name, FIRST_GUESS) for name in self._due}
        self._interval = intervals(costs, self.share, self._max_fps)
        self.next_due = min(self._due.values(), default=float("inf"))
