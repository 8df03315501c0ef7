"""Slots: a limited number of runs train at once; the others wait, in the order they came."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from descent.runs.run import Run

ROOM_AFTER = 0.5  # seconds unwatched, after which a run that was watched makes room for a queued one
EXPECTED = 5.0  # the same, of one that was made to be watched and never was: its page was closed at once


class Slots:
    """Grants training slots and queues runs. A paused run holds no slot."""

    def __init__(
        self, most: int, runs: Mapping[str, Run], *, go: Callable[[Run], None], pause: Callable[[Run], None]
    ) -> None:
        """`runs`: all runs, by id; `go` starts a run's training, `pause` pauses one to make room."""
        self._most = most
        self._runs = runs
        self._go = go
        self._pause = pause
        self._queue: list[Run] = []
        self._granted: set[Run] = set()  # they have a slot and no status since

    def enter(self, run: Run) -> None:
        """Queue a run, to train as soon as there is room."""
        self._queue.append(run)
        self.make_room()
        self.promote()

    def leave(self, run: Run) -> None:
        """Remove a run from the queue, and its grant."""
        self._granted.discard(run)
        if run in self._queue:
            self._queue.remove(run)

    def heard(self, run: Run) -> None:
        """End the grant: the run has reported, and its status counts from now on."""
        self._granted.discard(run)

    def waits(self, run: Run) -> bool:
        """Whether the run is queued."""
        return run in self._queue

    def granted(self, run: Run) -> bool:
        """Whether the run was granted a slot and has not reported a status since."""
        return run in self._granted

    def promote(self) -> None:
        """Start queued runs while there are slots."""
        while self._queue and self._free > 0:
            run = self._queue.pop(0)
            run.unwatched_since = time.monotonic()
            self._granted.add(run)
            self._go(run)

    def make_room(self) -> None:
        """Pause abandoned runs, as many as the queued ones need."""
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
        """Empty the queue."""
        self._queue.clear()

    @property
    def _free(self) -> int:
        running = {run for run in self._runs.values() if run.status == "running" and not run.own_loop}
        taken = running | self._granted
        return self._most - len(taken)


def abandoned(runs: Mapping[str, Run]) -> list[Run]:
    """Runs that someone watched, or was to watch, and nobody does, the longest abandoned first."""
    meant = [run for run in runs.values() if run.ever_watched or run.viewed]
    left = [run for run in meant if not run.watched and not run.ended and not run.own_loop]
    return sorted(left, key=lambda run: run.unwatched_since)
