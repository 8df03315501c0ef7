"""Fans a run's messages out to its viewers.

Scalars and events are on the run's tape, and each viewer reads on from its own place: nothing is queued
for it and nothing it needs is dropped. Of pictures only each panel's latest is kept, and a viewer that
acknowledges pictures gets only as many as it can draw.

What is new goes out in rounds to all viewers. Where there are few, each message is a round; where a round
takes long there are fewer, so that a class that watches leaves time to the event loop and cores to training.
A round writes to each viewer that has read so far; each other one has a task that sends when it can.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from descent.protocol import Gap, Looked, Recording, Waiting
from descent.runs.table import Overview
from descent.runs.tape import MERGE, Tape, TapeEntry

MOST_ROUNDS = (
    30.0  # a second; where no viewer wishes for so many pictures and rounds are long, there are fewer
)
BATCH = 1 << 16  # bytes; a longer batch is sent before more is read
SHORT_ROUND = 0.004  # seconds, after which the next round follows at once
REST = 3.0  # times as long as a longer round took nothing goes out after it
LONGEST_REST = 0.25  # seconds
UNDRAWN = 2  # most unacknowledged pictures of one panel per viewer that acks

_readers = ThreadPoolExecutor(1, "reader")  # one: slow readers take turns and leave time to the event loop


@dataclass(frozen=True)
class Latest:
    """The newest frame of a panel."""

    seq: int
    step: int
    data: bytes


class Line(Protocol):
    """What messages can be written into at once, without a task's turn."""

    def ready(self) -> bool:
        """Whether more can be written."""

    def write(self, messages: Sequence[str | bytes]) -> None:
        """Write messages."""


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
    points: int = 0  # rows that a long history of scalars is thinned to; 0: not thinned
    told: Recording = field(default_factory=lambda: Recording(ok=True))
    looked: Looked | None = None  # the last one sent
    waiting: Waiting | None = None  # the last one sent
    answers: deque[tuple[int, str]] = field(default_factory=deque)  # (seq to be sent first, answer)
    held: bool = False  # a picture waits until another is drawn
    line: Line | None = None
    waits: bool = False  # its `pump` has sent everything

    def ack(self, seq: int) -> None:
        """Acknowledge all pictures up to `seq` as drawn."""
        self.acks = True
        self.undrawn = {sent: panel for sent, panel in self.undrawn.items() if sent > seq}
        if self.held:
            self.held = False
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
        self.waiting: Waiting | None = None
        self._overviews: dict[int, Overview] = {}  # by points; cleared with the last viewer
        self._fastest = MOST_ROUNDS
        self._next_round = 0.0  # not before this, of `time.monotonic`
        self._round: asyncio.Handle | None = None  # that is to begin, or not over yet
        self._again = False  # something has come meanwhile

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
        """Append a message that no viewer may miss."""
        self.tape.append(seq, data, binary=binary)
        self._wake()

    def show(self, panel: str, frame: Latest) -> None:
        """Replace the panel's picture."""
        self.latest[panel] = frame
        self._wake()

    def watched(self) -> tuple[tuple[str, ...], float]:
        """All panels that some viewer watches, and the frames per second of the fastest one."""
        watching = [viewer for viewer in self.viewers if viewer.panels]
        panels = frozenset[str]().union(*(viewer.panels for viewer in watching))
        self._fastest = max((viewer.max_fps for viewer in watching), default=MOST_ROUNDS)
        return tuple(sorted(panels)), self._fastest

    def answer(self, viewer: Viewer, message: str) -> None:
        """Queue a message for this viewer alone, to be sent after all messages so far."""
        viewer.answers.append((self.tape.last_seq, message))
        viewer.wake.set()

    def tell(self, recording: Recording) -> None:
        """Set the recording state: it has failed, or works again."""
        self.recording = recording
        self._wake()

    def look(self, looked: Looked) -> None:
        """Replace the look knobs shown to viewers."""
        self.looked = looked
        self._wake()

    def wait(self, waiting: Waiting) -> None:
        """Replace the place in the queue."""
        if waiting != self.waiting:
            self.waiting = waiting
            self._wake()

    def close(self) -> None:
        """End every viewer's `pump`: the run is evicted."""
        self.closed = True
        if self._round is not None:
            self._round.cancel()
        self._begin()

    def _wake(self) -> None:
        """Have a round begin, after the rest; what comes before it goes out in it."""
        if self._round is not None:
            self._again = True
        elif self.viewers:
            wait, loop = self._next_round - time.monotonic(), asyncio.get_running_loop()
            self._round = loop.call_later(wait, self._begin) if wait > 0 else loop.call_soon(self._begin)

    def _begin(self) -> None:
        began = time.monotonic()
        self._again = False
        read: dict[int, list[str | bytes]] = {}
        for viewer in self.viewers:
            if not self._hand(viewer, read):
                viewer.wake.set()
        if len(self.viewers) > 1 and not self.closed:
            loop = asyncio.get_running_loop()
            # The first is called before the tasks that were woken take a step, the second after they did.
            self._round = loop.call_soon(loop.call_soon, self._rest, began)
        else:
            self._round = None

    def _hand(self, viewer: Viewer, read: dict[int, list[str | bytes]]) -> bool:
        """Write what is new to a viewer, if nothing hinders. `read`: in this round, by cursor."""
        line = viewer.line
        if line is None or not viewer.waits or viewer.wake.is_set() or viewer.answers or not line.ready():
            return False
        if (messages := read.get(viewer.cursor)) is None:
            if (found := self._few(viewer.cursor)) is None:
                return False
            messages = read[viewer.cursor] = found
        if batch := [*self._news(viewer), *messages, *self._pictures(viewer)]:
            line.write(batch)
        viewer.cursor = self.tape.last_seq
        return True

    def _few(self, seq: int) -> list[str | bytes] | None:
        """All messages after `seq`, where they are few and none is lost."""
        if self.closed or self.tape.behind(seq) > MERGE:
            return None
        try:
            entries = self.tape.after(seq)
        except (OSError, ValueError):  # the viewer's task meets it too; the others' round goes on
            return None
        messages = [_message(entry) for entry in entries if entry.data is not None]
        whole = len(messages) == len(entries) and (not entries or entries[-1].seq == self.tape.last_seq)
        return messages if whole and sum(map(len, messages)) <= BATCH else None

    def _rest(self, began: float) -> None:
        took = (now := time.monotonic()) - began
        if took > SHORT_ROUND:
            wished = 1 / self._fastest if self._fastest < MOST_ROUNDS else 0.0
            self._next_round = now + min(LONGEST_REST, max(REST * took, wished))
        self._round = None
        if self._again:
            self._wake()

    async def pump(self, viewer: Viewer, send: Callable[[Sequence[str | bytes]], Awaitable[None]]) -> None:
        """Send `viewer` all unseen messages, in batches, until the channel is closed."""
        while not self.closed:
            viewer.wake.clear()
            until = self.tape.last_seq  # what comes later has its own round
            answered = len(viewer.answers)  # these are sent below, after the messages they refer to
            batch: list[str | bytes] = self._news(viewer)
            if viewer.points and self.tape.behind(viewer.cursor) > MERGE:
                viewer.cursor, messages = await self._overview(viewer)
                for message in messages:
                    await send([*batch, message])
                    batch = []
            size = 0
            for entry in await self._unread(viewer.cursor):
                if entry.data is None:
                    batch.append(Gap(first=viewer.cursor + 1, last=entry.seq).model_dump_json())
                else:
                    batch.append(_message(entry))
                    size += len(entry.data)
                viewer.cursor = entry.seq
                if size > BATCH:
                    await send(batch)
                    batch, size = [], 0
            while answered and viewer.answers[0][0] <= viewer.cursor:
                answered -= 1
                batch.append(viewer.answers.popleft()[1])
            batch += self._pictures(viewer)
            if batch:
                await send(batch)
            await asyncio.sleep(0)  # sending to a socket with room does not yield to other tasks
            if viewer.cursor >= until:
                viewer.waits = True
                await viewer.wake.wait()
                viewer.waits = False

    def _news(self, viewer: Viewer) -> list[str | bytes]:
        """What has changed, of that which no tape keeps."""
        news: list[str | bytes] = []
        if viewer.told is not self.recording:
            if viewer.told != self.recording:
                news.append(self.recording.model_dump_json())
            viewer.told = self.recording
        if viewer.looked is not self.looked and self.looked is not None:
            viewer.looked = self.looked
            news.append(viewer.looked.model_dump_json())
        if viewer.waiting is not self.waiting and self.waiting is not None:
            viewer.waiting = self.waiting
            news.append(viewer.waiting.model_dump_json())
        return news

    def _pictures(self, viewer: Viewer) -> list[bytes]:
        """The new pictures that a viewer can draw."""
        found = []
        for panel in sorted(viewer.panels):
            frame = self.latest.get(panel)
            if frame is None or frame.seq == viewer.sent.get(panel):
                continue
            if not viewer.can_draw(panel):
                viewer.held = True
                continue
            viewer.sent[panel] = frame.seq
            if viewer.acks:
                viewer.undrawn[frame.seq] = panel
            found.append(frame.data)
        return found

    async def _overview(self, viewer: Viewer) -> tuple[int, list[bytes | str]]:
        """The last `seq` covered by, and the messages of, a thinned history for a viewer far behind."""

        def read() -> tuple[int, list[bytes | str]]:
            found = self._overviews.setdefault(viewer.points, Overview(self.tape, viewer.points))
            return found.since(viewer.cursor)

        try:
            return await asyncio.get_running_loop().run_in_executor(_readers, read)
        except ValueError:  # the run was deleted meanwhile
            assert self.tape.closed
            return viewer.cursor, []

    async def _unread(self, seq: int) -> list[TapeEntry]:
        """Some messages after `seq`; a long backlog is read in another thread."""
        if self.tape.behind(seq) <= MERGE:
            return self.tape.after(seq)
        try:
            return await asyncio.get_running_loop().run_in_executor(_readers, self.tape.after, seq)
        except ValueError:  # the run was deleted meanwhile
            assert self.tape.closed
            return []


def _message(entry: TapeEntry) -> str | bytes:
    assert entry.data is not None
    return entry.data if entry.binary else entry.data.decode()
