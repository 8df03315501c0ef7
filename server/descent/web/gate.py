"""Admits one import at a time: its memory, disk and time are taken once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from descent.errors import TooManyImports

MOST_WAITING = 1


class Gate:
    """One import is under way, one may wait, and others are refused."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Context in which no other import is under way. Raises `TooManyImports`."""
        if self._free.locked() and self._waiting >= MOST_WAITING:
            raise TooManyImports(
                "one run is being imported and another waits; try again when they are there", "archive"
            )
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
