"""Which panels to look at before the next step: watched ones, and others for the record alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import inf

from descent.contract.panels import Panel
from descent.engine.budget import Budget

RECORDED_FPS = 1  # pictures per second of an unwatched panel, at most
LOOK_SHARE = 0.2  # of the time, for a panel while the learner changes how it is looked at
HERO_SHARE = 0.5  # the same, for a hero while the learner changes any knob
GIVEN_UP = 2  # looks in a row at most, so that a panel is seen while knobs change without end


class Looking:
    """The panels that are due. Times are seconds on the clock of `Budget`."""

    def __init__(self, panels: Mapping[str, Panel], share: float, record_share: float) -> None:
        """`share`: of the time, for watched panels; `record_share`: for the others."""
        self._panels = {name: panel for name, panel in panels.items() if panel.kind != "scalars"}
        self._heroes = [name for name, panel in panels.items() if panel.size in ("hero", "pair")]
        self._watched = Budget(share, self._heroes)
        self._unwatched = Budget(record_share)
        self._seen_at: dict[str, int] = {}  # panel → step of its last picture, with the present knobs
        self._given_up: dict[str, int] = {}  # panel → looks that were given up since its last picture
        self.waiting: list[str] = []  # to be looked at, before the next step

    @property
    def at_the_end(self) -> list[str]:
        """The panels that have a picture when no step comes any more."""
        return [name for name, panel in self._panels.items() if not panel.coming]

    @property
    def next_due(self) -> float:
        """When the next panel is due."""
        return min(self._watched.next_due, self._unwatched.next_due)

    def watch(self, panels: Collection[str], max_fps: float, now: float, *, paused: bool) -> None:
        """Watch exactly these panels. While `paused`, the new ones are looked at once."""
        before = self._watched.panels
        watched = [panel for panel in panels if panel in self._panels]
        self._watched.watch(watched, max_fps)
        if self._unwatched.share:
            rest = [name for name, panel in self._panels.items() if panel.recorded and name not in watched]
            self._unwatched.watch(rest, RECORDED_FPS)
        self.waiting = [panel for panel in self.waiting if panel in watched]
        self._soon([panel for panel in watched if panel not in before] if paused else self._watched.due(now))

    def collect(self, now: float) -> None:
        """Let the panels wait that are due."""
        for budget in (self._watched, self._unwatched):
            if now >= budget.next_due:
                self._soon(budget.due(now))

    def collect_watched(self) -> None:
        """Let all watched panels wait, due or not."""
        self._soon(self._watched.panels)

    def collect_unseen(self, step: int, now: float) -> float:
        """Let the watched panels wait that are due and unseen at this step; returns when the next is due."""
        until = inf
        for panel in self._watched.panels:
            if self._seen_at.get(panel) != step:
                due = self._watched.due_at(panel)
                if due <= now:
                    self._soon([panel])
                until = min(until, due)
        return until

    def knobs_changed(self, now: float, *, look: bool = False) -> None:
        """Show what the learner has changed: a hero soon; after a change of a look the others, too."""
        self._seen_at.clear()
        for panel in self._watched.panels if look else ():
            if panel not in self._heroes:
                self._watched.hurry(panel, now, LOOK_SHARE)
        for panel in self._heroes:
            self._watched.hurry(panel, now, HERO_SHARE)

    def may_give_up(self, panel: str) -> bool:
        """Whether the next look at a panel may be given up for a command."""
        return self._given_up.get(panel, 0) < GIVEN_UP

    def gave_up(self, panel: str, now: float, *, paused: bool) -> None:
        """A look was given up for a command: look again soon, and while `paused` before anything else."""
        self._given_up[panel] = self._given_up.get(panel, 0) + 1
        self._watched.put_off(panel, now, HERO_SHARE)
        if paused:
            self._soon([panel])

    def seen(self, panel: str, step: int, seconds: float, now: float) -> None:
        """Record a look that took `seconds`."""
        self._seen_at[panel] = step
        self._given_up.pop(panel, None)
        budget = self._unwatched if panel in self._unwatched.panels else self._watched
        budget.spent(panel, seconds, now)

    def forget(self, panel: str) -> None:
        """Stop looking at a panel until it is watched again."""
        self._watched.forget(panel)
        self._unwatched.forget(panel)

    def _soon(self, panels: Iterable[str]) -> None:
        self.waiting += [panel for panel in panels if panel not in self.waiting]
