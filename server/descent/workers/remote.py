"""A script with a training loop of its own, seen from the server: where a run's commands go to."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import asdict

from descent.declared.messages import DELETED
from descent.engine.messages import Control

MOST_UNSENT = 256 << 10  # bytes of commands that a script has not taken yet

Farewell = tuple[int, str]  # close code and reason


class RemoteWorker:
    """Commands that wait to be sent over whatever leads to the script; `next` gives them out in order."""

    def __init__(self) -> None:
        self.farewell: Farewell | None = None  # the connection is to be closed with this
        self._unsent: deque[str] = deque()
        self._size = 0
        self._changed = asyncio.Event()

    def send(self, control: Control) -> None:
        """Queue a command. A script that takes none for too long is cut off; it may come back."""
        self._put(json.dumps({"type": "control", **asdict(control)}))
        if self._size > MOST_UNSENT:
            self.leave(1008, "too many commands were not taken")

    def tell(self, text: str) -> None:
        """Queue a message that is no command."""
        self._put(text)

    def kill(self) -> None:
        """Let go of the script: the run is deleted, or was ended for it. It trains on by itself."""
        self.leave(DELETED, "the run was ended or deleted here")

    def close(self) -> None:
        """Nothing is left to release."""

    def leave(self, code: int, reason: str) -> None:
        """Close the connection."""
        self.farewell = self.farewell or (code, reason)
        self._changed.set()

    async def next(self) -> str | None:
        """The next message to send; None when the connection is to be closed."""
        while not self._unsent:
            if self.farewell is not None:
                return None
            self._changed.clear()
            await self._changed.wait()
        text = self._unsent.popleft()
        self._size -= len(text)
        return text

    def _put(self, text: str) -> None:
        self._unsent.append(text)
        self._size += len(text)
        self._changed.set()
