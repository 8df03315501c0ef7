"""Commands on their way to the engine."""

from __future__ import annotations

import threading
from collections import deque

from descent.engine.messages import Control


class Inbox:
    """A queue of commands, put by one thread and taken by another."""

    def __init__(self) -> None:
        self.waiting: deque[Control] = deque()
        self._arrived = threading.Event()

    def put(self, control: Control) -> None:
        """Hand a command to the engine, from any thread."""
        self.waiting.append(control)
        self._arrived.set()

    def take(self) -> Control | None:
        """The next command, if there is one."""
        try:
            return self.waiting.popleft()
        except IndexError:
            return None

    def wait(self, seconds: float | None) -> None:
        """Sleep until a command arrives, for `seconds` at most."""
        if not self.waiting:
            self._arrived.wait(seconds)
        self._arrived.clear()
