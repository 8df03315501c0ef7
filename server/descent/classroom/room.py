"""The room where a class meets: who is here, what all are shown, and what they are asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from descent import errors
from descent.access import Person
from descent.classroom.deciding import asked_of, ready, right_of
from descent.classroom.lesson import Asking, Lesson, Shown
from descent.classroom.progress import Progress
from descent.runs.manager import RunManager
from descent.runs.record import lineage
from descent.runs.run import Run
from descent.tasks import Question

LOOK_EVERY = 0.25  # seconds between two looks at how far a run is that was let go
MOST_HERE = 2000  # windows that are open at once

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Window:
    """A page that somebody has open. `run` and `experiment`: what it shows, empty for no lab."""

    person: Person
    run: str = ""
    experiment: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    point: dict[str, Any] | None = None  # where the teacher points, which is not said yet


class Room:
    """One class. Its methods are called in the server's event loop."""

    def __init__(self, progress: Progress, manager: Callable[[], RunManager]) -> None:
        self._progress = progress
        self._manager = manager
        self._windows: set[Window] = set()
        self._waiting: asyncio.Task[None] | None = None
        self.lesson = Lesson()
        with contextlib.suppress(ValidationError):
            if kept := progress.lesson():
                self.lesson = Lesson.model_validate_json(kept)

    # Who is here

    def enter(self, person: Person) -> Window:
        """Somebody has opened a page. Raises `TooManyViewers`."""
        if len(self._windows) >= MOST_HERE:
            raise errors.TooManyViewers(f"{MOST_HERE} pages are open", "class")
        window = Window(person)
        self._windows.add(window)
        self._tell_teachers()
        window.changed.set()
        return window

    def leave(self, window: Window) -> None:
        """It was closed."""
        self._windows.discard(window)
        self._tell_teachers()

    def moved(self, window: Window, experiment: str, run: str) -> None:
        """It shows something else."""
        window.experiment, window.run = experiment, run
        self._tell_teachers()

    def point(self, window: Window, point: dict[str, Any]) -> None:
        """The teacher points at a place of a panel; others' pages show it."""
        for other in self._windows:
            if other is not window:
                other.point = point
                other.changed.set()

    def _tell_teachers(self) -> None:
        for window in self._windows:
            if window.person.role == "teacher":
                window.changed.set()

    def _tell_all(self) -> None:
        self._progress.keep_lesson(self.lesson.model_dump_json())
        for window in self._windows:
            window.changed.set()

    # What all are shown

    async def show(self, shown: Shown | None) -> None:
        """Show a run to all, which shares it; None: nothing any more. Raises `UnknownRun`."""
        if shown is not None:
            run = await self._manager().get(shown.run)
            shown.experiment = run.entry.id
            if not run.shared:
                await self._manager().describe(run, shared=True)
        self.lesson.shown = shown
        self._tell_all()

    # What they are asked

    async def ask(self, person: Person, experiment: str, name: str) -> None:
        """Ask a ready question of a new run, which waits at step 0 and is shown to all.

        Raises `BadField` where there is no such question, and what `RunManager.create` raises.
        """
        entry = self._manager().registry.find(experiment)
        run = await self._begin(person, experiment, ready(entry, name).knobs)
        asking = asked_of(f"{name}-{secrets.token_hex(4)}", run.id, entry, name)
        await self._open(asking)

    async def ask_own(self, person: Person, asking: Asking, knobs: Mapping[str, Any]) -> None:
        """Ask a question of the teacher's own, of a new run with these knobs."""
        run = await self._begin(person, asking.experiment, knobs)
        asking.id, asking.run = f"own-{secrets.token_hex(4)}", run.id
        asking.by_hand = not (asking.number or asking.curve)
        await self._open(asking)

    async def _begin(self, person: Person, experiment: str, knobs: Mapping[str, Any]) -> Run:
        manager = self._manager()
        borrowed = await manager.borrow(experiment, knobs, person.sees)
        run = manager.create(experiment, knobs, paused=True, viewed=True, borrowed=borrowed, owner=person.id)
        await manager.describe(run, shared=True)
        return run

    async def _open(self, asking: Asking) -> None:
        self._stop_waiting()
        self.lesson.asking = asking
        self.lesson.shown = Shown(run=asking.run, experiment=asking.experiment)
        self._tell_all()

    def guess(self, person: Person, id: str, guess: Any) -> None:
        """Take somebody's guess, in the place of their last one. Raises `WrongState` and `BadField`."""
        asking = self._asking(id)
        if asking.phase != "open":
            raise errors.WrongState("answers are no longer taken", "question", reason="closed")
        asking.guesses[person.id] = asking.checked(guess)
        self._progress.keep_lesson(self.lesson.model_dump_json())
        for window in self._windows:
            if window.person.role == "teacher" or window.person.id == person.id:
                window.changed.set()

    def close(self, id: str) -> None:
        """No more guesses; all see what was guessed."""
        asking = self._asking(id)
        if asking.phase == "open":
            asking.phase = "closed"
            self._tell_all()

    async def go(self, id: str) -> None:
        """Let the run go to the question's step, where it decides."""
        asking = self._asking(id)
        if asking.phase == "seen":
            return
        run = await self._manager().get(asking.run)
        if run.step < asking.until and not run.ended:
            if run.status == "running":
                await self._manager().pause(run)
            await self._manager().step(run, asking.until - run.step)
        asking.phase = "going"
        self._tell_all()
        self._stop_waiting()
        self._waiting = asyncio.create_task(self._decide(asking, run))

    async def _decide(self, asking: Asking, run: Run) -> None:
        while run.step < asking.until and not run.ended:
            await asyncio.sleep(LOOK_EVERY)
        await asyncio.sleep(LOOK_EVERY)  # the last scalars are on their way
        try:
            runs = await lineage(self._manager(), run)
            right = await right_of(runs, asking, self._question(asking))
        except (errors.DescentError, ValueError, OSError):
            logger.exception("a question could not be decided")
            right = None
        if self.lesson.asking is not asking:
            return
        asking.right, asking.phase = right, "seen"
        if right is not None:
            self._count(asking)
        self._tell_all()

    def _question(self, asking: Asking) -> Question | None:
        with contextlib.suppress(errors.DescentError):
            entry = self._manager().registry.find(asking.experiment)
            return entry.questions.get(asking.id.rpartition("-")[0])
        return None

    def mark(self, id: str, right: str) -> None:
        """Say which answer was right, of a question that no record decides. Raises `BadField`."""
        asking = self._asking(id)
        if not asking.by_hand or right not in asking.answers:
            raise errors.BadField("right: choose one of the answers", "right", reason="guess")
        first = asking.right is None
        asking.right, asking.phase = [right], "seen"
        if first:
            self._count(asking)
        self._tell_all()

    def _count(self, asking: Asking) -> None:
        self.lesson.asked += 1
        for person, guess in asking.guesses.items():
            if asking.is_right(guess):
                self.lesson.right[person] = self.lesson.right.get(person, 0) + 1

    def end(self) -> None:
        """The question is put away; its run stays."""
        self._stop_waiting()
        self.lesson.asking = None
        self._tell_all()

    def _asking(self, id: str) -> Asking:
        asking = self.lesson.asking
        if asking is None or asking.id != id:
            raise errors.WrongState("this question is no longer asked", "question", reason="gone")
        return asking

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def resume(self) -> None:
        """After a start of the server: a run that was let go waits to be let go again."""
        asking = self.lesson.asking
        if asking is not None and asking.phase == "going":
            asking.phase = "closed"

    # What a page is told

    def told(self, window: Window) -> dict[str, Any]:
        """The lesson as this window's person may know it."""
        person, asking = window.person, self.lesson.asking
        teacher = person.role == "teacher"
        told: dict[str, Any] = {
            "type": "class",
            "shown": self.lesson.shown.model_dump() if self.lesson.shown else None,
            "asking": None,
            "here": [],
            "asked": self.lesson.asked,
            "right": self.lesson.right.get(person.id, 0),
        }
        if asking is not None:
            open_ = asking.phase == "open"
            said = asking.model_dump(exclude={"guesses"})
            said["guesses"] = [] if open_ and not teacher else list(asking.guesses.values())
            said["mine"] = asking.guesses.get(person.id)
            said["is_right"] = asking.is_right(said["mine"]) if said["mine"] is not None else None
            if asking.phase != "seen":
                said["why"] = {}
            told["asking"] = said
        if teacher:
            told["here"] = [
                {
                    "id": one.person.id,
                    "name": one.person.name,
                    "role": one.person.role,
                    "experiment": one.experiment,
                    "run": one.run,
                    "right": self.lesson.right.get(one.person.id, 0),
                    "answered": asking is not None and one.person.id in asking.guesses,
                }
                for one in self._windows
                if one is not window
            ]
        return told
