"""The server's own tasks: they pause idle runs, keep the store to its size, and resume runs at the start."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from descent import errors
from descent.runs.history import History
from descent.runs.run import Run
from descent.runs.session import Sessions
from descent.settings import Settings
from descent.store.database import StoreError

MAKE_ROOM_EVERY = 60.0  # seconds between two checks of the store's size
UNUSED = 64 << 20  # free bytes that the database keeps for later writes
HOUSEKEEPING = 0.5  # seconds between two checks for unwatched runs


class Duties:
    """The server's own tasks."""

    def __init__(
        self, settings: Settings, runs: Mapping[str, Run], sessions: Sessions, history: History | None
    ) -> None:
        self._settings = settings
        self._runs = runs
        self._sessions = sessions
        self._history = history
        self._tasks: list[asyncio.Task[None]] = []
        self.recorded_bytes: int | None = None  # a minute ago

    async def begin(self, resume: Callable[[str], Awaitable[None]]) -> None:
        """Start the tasks; `resume` runs that were training when the server ended (setting AUTORESUME)."""
        self._tasks.append(asyncio.create_task(self.pause_idle()))
        if self._history is None:
            return
        history, recorder = self._history, self._history.recorder
        trained: list[str] = []
        with contextlib.suppress(SQLAlchemyError, StoreError):  # nothing can be written now
            trained = await recorder.do(history.store.interrupted)
        self._tasks += [
            asyncio.create_task(recorder.work()),
            asyncio.create_task(self._keep_size(history)),
        ]
        for run_id in trained if self._settings.autoresume else []:
            with contextlib.suppress(errors.DescentError):
                await resume(run_id)

    async def end(self) -> None:
        """Cancel the tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_size(self, history: History) -> None:
        """Strip the oldest runs when the store exceeds its size."""
        while True:
            with contextlib.suppress(SQLAlchemyError, StoreError):  # the recorder reports these
                stripped = await history.recorder.strip(
                    self._settings.store_mb << 20, self._settings.store_each_mb << 20
                )
                for run in filter(None, map(self._runs.get, stripped)):
                    run.recorded = await asyncio.to_thread(history.store.run, run.id)
                await history.recorder.do(partial(history.store.give_back, UNUSED))
                self.recorded_bytes = await asyncio.to_thread(history.store.recorded_bytes)
            await asyncio.sleep(MAKE_ROOM_EVERY)

    async def pause_idle(self) -> None:
        """Pause unwatched runs, and make room for queued ones."""
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            now = time.monotonic()
            for run in self._runs.values():
                idle = not run.watched and now - run.unwatched_since >= self._settings.idle_pause > 0
                if run.status == "running" and idle and not run.own_loop:
                    self._sessions.tell(run, "pause", reason="unwatched")
            self._sessions.slots.make_room()
