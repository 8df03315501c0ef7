"""Fans a run's messages out to its viewers.

Scalars and events are on the run's tape, and each viewer reads on from its own place: nothing is queued
for it and nothing it needs is dropped. Of pictures there is only the latest of each panel, and a viewer
that acknowledges what it has drawn is sent no more than it can draw.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from descent.protocol import Gap, Looked, Recording
from descent.runs.table import Overview
from descent.runs.tape import MERGE, Tape, TapeEntry

UNDRAWN = 2  # pictures of one panel that may be on their way to a viewer that acks

_readers = ThreadPoolExecutor(1, "reader")  # one: readers far behind take turns, and the event loop its own


@dataclass(frozen=True)
class Latest:
    """The newest frame of a panel."""

    seq: int
    step: int
    data: bytes


@dataclass(eq=False)
class Viewer:
    """One connected client: what it watches, and how far it has read."""

    cursor: int
    panels: frozenset[str] = frozenset()
    max_fps: float = 30.0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    sent: dict[str, int] = field(default_factory=dict)  # panel → seq of the last frame sent
    undrawn: dict[int, str] = field(default_factory=dict)  # seq → panel, of pictures not acknowledged yet
    acks: bool = False
    points: int = 0  # rows of scalars that are enough of a long history; 0: all there are
    told: Recording = field(default_factory=lambda: Recording(ok=True))
    looked: Looked | None = None  # the last it knows of
    answers: deque[tuple[int, str]] = field(default_factory=deque)  # seq before which each is not to be sent

    def ack(self, seq: int) -> None:
        """Everything up to `seq` is drawn."""
        self.acks = True
        self.undrawn = {sent: panel for sent, panel in self.undrawn.items() if sent > seq}
        self.wake.set()

    def can_draw(self, panel: str) -> bool:
        """Whether another picture of `panel` may be sent."""
        return not self.acks or list(self.undrawn.values()).count(panel) < UNDRAWN


class Channel:
    """One run's messages and viewers."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.latest: dict[str, Latest] = {}
        self.viewers: set[Viewer] = set()
        self.closed = False
        self.recording = Recording(ok=True)
        self.looked: Looked | None = None
        self._overviews: dict[int, Overview] = {}  # by points; only while somebody watches

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        self.viewers.discard(viewer)
        if not self.viewers:
            self._overviews = {}

    @property
    def last_seq(self) -> int:
        """The newest message's `seq`."""
        return max([self.tape.last_seq, *(frame.seq for frame in self.latest.values())])

    def keep(self, seq: int, data: bytes, *, binary: bool) -> None:
        """A message that no viewer may miss."""
        self.tape.append(seq, data, binary=binary)
        self._wake()

    def show(self, panel: str, frame: Latest) -> None:
        """A picture; it replaces the one before."""
        self.latest[panel] = frame
        self._wake()

    def watched(self) -> tuple[tuple[str, ...], float]:
        """All panels that some viewer watches, and the frames per second of the fastest one."""
        watching = [viewer for viewer in self.viewers if viewer.panels]
        panels = frozenset[str]().union(*(viewer.panels for viewer in watching))
        return tuple(sorted(panels)), max((viewer.max_fps for viewer in watching), default=30.0)

    def answer(self, viewer: Viewer, message: str) -> None:
        """To this viewer alone, after all that was said until now."""
        viewer.answers.append((self.tape.last_seq, message))
        viewer.wake.set()

    def tell(self, recording: Recording) -> None:
        """Recording has failed, or works again."""
        self.recording = recording
        self._wake()

    def look(self, looked: Looked) -> None:
        """Something else is looked at; it replaces what was before."""
        self.looked = looked
        self._wake()

    def close(self) -> None:
        """The run is forgotten: viewers are let go."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        for viewer in self.viewers:
            viewer.wake.set()

    async def pump(self, viewer: Viewer, send: Callable[[str | bytes], Awaitable[None]]) -> None:
        """Send `viewer` what it has not seen, for as long as the run is known."""
        while not self.closed:
            viewer.wake.clear()
            answered = len(viewer.answers)  # what these are about is sent below, before them
            if viewer.told != self.recording:
                viewer.told = self.recording
                await send(viewer.told.model_dump_json())
            if viewer.looked is not self.looked and self.looked is not None:
                viewer.looked = self.looked
                await send(viewer.looked.model_dump_json())
            if viewer.points and self.tape.behind(viewer.cursor) > MERGE:
                until, messages = await self._overview(viewer)
                for message in messages:
                    await send(message)
                viewer.cursor = until
            for entry in await self._unread(viewer.cursor):
                if entry.data is None:
                    await send(Gap(first=viewer.cursor + 1, last=entry.seq).model_dump_json())
                else:
                    await send(entry.data if entry.binary else entry.data.decode())
                viewer.cursor = entry.seq
            while answered and viewer.answers[0][0] <= viewer.cursor:
                answered -= 1
                await send(viewer.answers.popleft()[1])
            for panel in sorted(viewer.panels):
                frame = self.latest.get(panel)
                if frame and frame.seq != viewer.sent.get(panel) and viewer.can_draw(panel):
                    viewer.sent[panel] = frame.seq
                    if viewer.acks:
                        viewer.undrawn[frame.seq] = panel
                    await send(frame.data)
            await asyncio.sleep(0)  # a socket with room takes a message without letting anybody else in
            if self.tape.last_seq <= viewer.cursor:
                await viewer.wake.wait()

    async def _overview(self, viewer: Viewer) -> tuple[int, list[bytes | str]]:
        """What a viewer far behind is sent instead of all it has missed."""

        def read() -> tuple[int, list[bytes | str]]:
            found = self._overviews.setdefault(viewer.points, Overview(self.tape, viewer.points))
            return found.since(viewer.cursor)

        try:
            return await asyncio.get_running_loop().run_in_executor(_readers, read)
        except ValueError:  # the run was deleted meanwhile
            assert self.tape.closed
            return viewer.cursor, []

    async def _unread(self, seq: int) -> list[TapeEntry]:
        """Some of what was said after `seq`; what takes longer to read is read in another thread."""
        if self.tape.behind(seq) <= MERGE:
            return self.tape.after(seq)
        try:
            return await asyncio.get_running_loop().run_in_executor(_readers, self.tape.after, seq)
        except ValueError:  # the run was deleted meanwhile
            assert self.tape.closed
            return []
