"""Slots: a limited number of runs train at once; the others wait. They are dealt by person, and in turns."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping

from descent.protocol import Waiting
from descent.runs.run import Run

ROOM_AFTER = 0.5  # seconds unwatched, after which a run that was watched makes room for a queued one
EXPECTED = 5.0  # the same, of one that was made to be watched and never was: its page was closed at once
TURN_ENDED = "turn"  # the reason of a run that waits for its next turn


class Slots:
    """Grants training slots and queues runs. A paused run holds no slot.

    Next comes whoever has the fewest slots, of these who was given one the longest ago, and of their runs
    the one that waits for longest. While somebody waits who has fewer slots than another, the other's run
    that has trained for a whole turn makes way, and waits for its next one.
    """

    def __init__(
        self,
        most: int,
        runs: Mapping[str, Run],
        *,
        turn: float,
        go: Callable[[Run], None],
        pause: Callable[[Run, str], None],
        wait: Callable[[Run], None],
    ) -> None:
        """`runs`: all runs, by id; `turn`: seconds, 0 for as long as it likes; `go` starts a run's training,
        `pause` pauses one for a reason, and `wait` has it say that it waits.
        """
        self._most = most
        self._runs = runs
        self._turn = turn
        self._go = go
        self._pause = pause
        self._wait = wait
        self._queue: list[Run] = []
        self._granted: set[Run] = set()  # they have a slot and no status since
        self._since: dict[Run, float] = {}  # when a run was given its slot
        self._grants: Counter[str] = Counter()  # by person: the number of the last grant that was theirs
        self._yielding: set[Run] = set()  # their turn is over, and they have not paused yet

    def enter(self, run: Run) -> None:
        """Queue a run, to train as soon as there is room."""
        self._queue.append(run)
        self.make_room()
        self.promote()

    def leave(self, run: Run) -> None:
        """Remove a run from the queue, and its grant."""
        self._granted.discard(run)
        self._yielding.discard(run)
        self._since.pop(run, None)
        if run in self._queue:
            self._queue.remove(run)
        self._tell()

    def heard(self, run: Run) -> None:
        """End the grant: the run has reported, and its status counts from now on."""
        if run.status == "queued":  # it says so when it waits, and a slot may have come since
            return
        self._granted.discard(run)
        if run.status == "running":
            return
        self._since.pop(run, None)
        if run in self._yielding:
            self._yielding.remove(run)
            if run.status == "paused" and run.reason == TURN_ENDED:  # nobody paused it meanwhile
                self._queue.append(run)
                self._wait(run)

    def waits(self, run: Run) -> bool:
        """Whether the run is queued."""
        return run in self._queue

    def granted(self, run: Run) -> bool:
        """Whether the run was granted a slot and has not reported a status since."""
        return run in self._granted

    def promote(self) -> None:
        """Start queued runs while there are slots."""
        while self._queue and self._free > 0:
            run = self._fair()[0]
            self._queue.remove(run)
            run.unwatched_since = self._since[run] = time.monotonic()
            self._granted.add(run)
            self._grants[run.owner] = max(self._grants.values(), default=0) + 1
            self._go(run)
        self._tell()

    def make_room(self) -> None:
        """Pause abandoned runs, as many as the queued ones need; then end turns."""
        now = time.monotonic()
        idle = [
            run
            for run in abandoned(self._runs)
            if run.status == "running"
            and now - run.unwatched_since >= (ROOM_AFTER if run.ever_watched else EXPECTED)
        ]
        for run in idle[: max(0, len(self._queue) - self._free)]:
            self._pause(run, "made-room")
        if self._turn:
            self._end_turns(now)
        self._tell()

    def close(self) -> None:
        """Empty the queue."""
        self._queue.clear()

    def _end_turns(self, now: float) -> None:
        """Have runs make way whose owner has more slots than somebody who waits."""
        coming = [run.owner for run in self._fair()]
        served = self._free + len(self._yielding)
        slots = self._slots()
        slots.update(coming[:served])
        for owner in coming[served:]:
            done = [
                run
                for run, since in self._since.items()
                if now - since >= self._turn
                and run.status == "running"
                and run not in self._yielding
                and slots[run.owner] > slots[owner]
            ]
            if not done:
                return
            last = max(done, key=lambda run: (slots[run.owner], -self._since[run]))
            slots[last.owner] -= 1
            slots[owner] += 1
            self._yielding.add(last)
            self._pause(last, TURN_ENDED)

    def _fair(self) -> list[Run]:
        """Those that wait, in the order in which they come."""
        slots, grants = self._slots(), Counter(self._grants)
        last = max(grants.values(), default=0)
        rest, order = list(self._queue), []
        while rest:
            run = min(rest, key=lambda run: (slots[run.owner], grants[run.owner]))
            slots[run.owner] += 1
            grants[run.owner] = last = last + 1
            rest.remove(run)
            order.append(run)
        return order

    def _slots(self) -> Counter[str]:
        """How many slots each person has."""
        return Counter(run.owner for run in self._taken if run not in self._yielding)

    def _tell(self) -> None:
        """Tell those that wait how long it will take."""
        order = self._fair()
        now = time.monotonic()
        left = sorted(max(0.0, since + self._turn - now) for since in self._since.values())
        owners = {run.owner for run in self._taken}
        for place, run in enumerate(order):
            seconds = None
            if self._turn and left and owners - {run.owner}:
                rounds, slot = divmod(place, len(left))
                seconds = max(1, round(left[slot] + rounds * self._turn))
            run.channel.wait(Waiting(place=place + 1, seconds=seconds))

    @property
    def _taken(self) -> set[Run]:
        return {
            run for run in self._runs.values() if run.status == "running" and not run.own_loop
        } | self._granted

    @property
    def _free(self) -> int:
        return self._most - len(self._taken)


def abandoned(runs: Mapping[str, Run]) -> list[Run]:
    """Runs that someone watched, or was to watch, and nobody does, the longest abandoned first."""
    meant = [run for run in runs.values() if run.ever_watched or run.viewed]
    left = [run for run in meant if not run.watched and not run.ended and not run.own_loop]
    return sorted(left, key=lambda run: run.unwatched_since)
