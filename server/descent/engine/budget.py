"""When a probe may run: observation gets a share of wall time, and training never pays more.

Each watched panel wants a frame every `1 / max_fps` seconds, and each frame costs what it was measured
to cost. If all wishes together exceed the share, the cheap panels still get theirs and the expensive
ones share what is left (water-filling), so that Σ cost / interval ≤ share always holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from types import MappingProxyType

FIRST_GUESS = 0.004  # seconds, of a probe that has not been measured yet
SMOOTHING = 0.3  # of the measured cost, per run of the probe
SURCHARGE = 0.001  # seconds per look on top of the probe's own cost, measured: sending, and cold caches
HERO_WEIGHT = 3  # weight of a hero panel; any other has 1


def intervals(
    costs: Mapping[str, float],
    share: float,
    max_fps: float,
    weights: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, float]:
    """Seconds between two frames of each panel, given its cost in seconds; infinite if the share is 0.

    A panel that cannot have its full rate gets a part of the share by its weight (1 by default).
    """
    wish = 1 / max_fps
    weight = {name: weights.get(name, 1) for name in costs}
    granted: dict[str, float] = {}
    left, waiting = share, sum(weight.values())
    # Cheapest first: a panel that needs less than its part leaves the rest to the others.
    for name, cost in sorted(costs.items(), key=lambda item: item[1] / weight[item[0]]):
        part = min(cost / wish, left * weight[name] / waiting)
        granted[name] = wish if cost <= part * wish else cost / part if part > 0 else inf
        left -= part
        waiting -= weight[name]
    return granted


class Budget:
    """Schedules the watched panels' probes. All times are seconds on one monotonic clock."""

    def __init__(self, share: float, heroes: Iterable[str] = ()) -> None:
        self.share = share
        self._weights = dict.fromkeys(heroes, HERO_WEIGHT)
        self.panels: tuple[str, ...] = ()  # watched ones that have a probe
        self.next_due = inf  # the loop compares this one number after each step
        self._max_fps = 30.0
        self._cost: dict[str, float] = {}
        self._interval: dict[str, float] = {}
        # Kept for hidden panels too: hiding and showing a panel earns no extra looks.
        self._last_look: dict[str, float] = {}
        self._hurried: dict[str, float] = {}  # when a panel is due, sooner than its share allows

    def watch(self, panels: Iterable[str], max_fps: float) -> None:
        """Watch exactly `panels`; one that was never looked at is due at once."""
        self.panels = tuple(panels)
        self._max_fps = max_fps
        self._plan()

    def due_at(self, panel: str) -> float:
        """When a watched panel may be looked at next."""
        if panel not in self._last_look:
            return -inf
        return min(self._last_look[panel] + self._interval[panel], self._hurried.get(panel, inf))

    def due(self, now: float) -> list[str]:
        """The panels whose time has come, the longest waiting first."""
        return sorted((panel for panel in self.panels if self.due_at(panel) <= now), key=self.due_at)

    def spent(self, panel: str, seconds: float, now: float) -> None:
        """Record a look at `panel` that ended at `now` and took `seconds`."""
        if panel in self._last_look:  # the first look warms up caches and predicts nothing
            cost = seconds + SURCHARGE
            before = self._cost.get(panel, cost)
            self._cost[panel] = before + SMOOTHING * (cost - before)
        self._last_look[panel] = now
        self._hurried.pop(panel, None)
        self._plan()

    def hurry(self, panel: str, now: float, share: float = inf) -> None:
        """Look at a watched panel as soon as a frame may come: the learner has just changed something.

        Its looks take at most `share` of the time, however often it is hurried.
        """
        if panel in self.panels and panel in self._last_look:
            wait = max(1 / self._max_fps, self._cost.get(panel, FIRST_GUESS) / share)
            soonest = max(self._last_look[panel] + wait, now)
            self._hurried[panel] = min(soonest, self._hurried.get(panel, inf))
            self._plan()

    def put_off(self, panel: str, now: float, share: float) -> None:
        """A look at a watched panel was broken off: try again as soon as `share` of the time allows."""
        self._last_look[panel] = now
        self.hurry(panel, now, share)

    def forget(self, panel: str) -> None:
        """Stop looking at `panel` until it is watched again."""
        self.panels = tuple(name for name in self.panels if name != panel)
        self._plan()

    def _plan(self) -> None:
        costs = {name: self._cost.get(name, FIRST_GUESS) for name in self.panels}
        self._interval = intervals(costs, self.share, self._max_fps, self._weights)
        self.next_due = min(map(self.due_at, self.panels), default=inf)
