"""Slots: as many runs train at once as there are; the others wait, in the order they came."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from descent.runs.run import Run

ROOM_AFTER = 0.5  # seconds unwatched, after which a run that was watched makes room for a queued one
EXPECTED = 5.0  # the same, of one that was made to be watched and never was: its page was closed at once


class Slots:
    """Who trains and who waits. A paused run holds no slot."""

    def __init__(
        self, most: int, runs: Mapping[str, Run], *, go: Callable[[Run], None], pause: Callable[[Run], None]
    ) -> None:
        """`runs`: all there are, by id; `go` lets a run train, `pause` makes one stop for another."""
        self._most = most
        self._runs = runs
        self._go = go
        self._pause = pause
        self._queue: list[Run] = []
        self._granted: set[Run] = set()  # they have a slot and have not said yet that they train

    def enter(self, run: Run) -> None:
        """Train as soon as there is room."""
        self._queue.append(run)
        self.make_room()
        self.promote()

    def leave(self, run: Run) -> None:
        """The run neither waits nor is about to train."""
        self._granted.discard(run)
        if run in self._queue:
            self._queue.remove(run)

    def heard(self, run: Run) -> None:
        """The run has said what it does: its status tells from now on whether it trains."""
        self._granted.discard(run)

    def waits(self, run: Run) -> bool:
        """Whether the run is queued."""
        return run in self._queue

    def granted(self, run: Run) -> bool:
        """Whether the run was given a slot, and has not said yet that it trains."""
        return run in self._granted

    def promote(self) -> None:
        """Let queued runs train while there are slots."""
        while self._queue and self._free > 0:
            run = self._queue.pop(0)
            run.unwatched_since = time.monotonic()
            self._granted.add(run)
            self._go(run)

    def make_room(self) -> None:
        """Pause runs that were watched and are abandoned, as many as are needed by those that wait."""
        now = time.monotonic()
        idle = [
            run
            for run in abandoned(self._runs)
            if run.status == "running"
            and now - run.unwatched_since >= (ROOM_AFTER if run.ever_watched else EXPECTED)
        ]
        for run in idle[: max(0, len(self._queue) - self._free)]:
            self._pause(run)

    def close(self) -> None:
        """Nobody waits any more."""
        self._queue.clear()

    @property
    def _free(self) -> int:
        taken = {run for run in self._runs.values() if run.status == "running"} | self._granted
        return self._most - len(taken)


def abandoned(runs: Mapping[str, Run]) -> list[Run]:
    """Runs that someone watched, or was to watch, and nobody does, the longest abandoned first."""
    meant = [run for run in runs.values() if run.ever_watched or run.viewed]
    left = [run for run in meant if not run.watched and not run.ended]
    return sorted(left, key=lambda run: run.unwatched_since)
