"""How often one person may ask: who asks in a loop is told to wait, and the others notice nothing."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from descent.access import Person
from descent.errors import TooManyRequests

OVER = 5  # seconds that are counted together: a page that is opened asks much at once


class Often:
    """Counts what each person asks for."""

    def __init__(self, each: float, what: str) -> None:
        """`each`: so many a second, 0 for any number; `what`: what to tell whoever asks for more."""
        self._limit = RateLimitItemPerSecond(max(1, round(each * OVER)), OVER) if each else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._what = what

    def count(self, person: Person | None) -> None:
        """Count one more. Raises `TooManyRequests`; who is not known, or asked for no key, is not counted."""
        if self._limit is None or person is None or not person.id:
            return
        if not self._limiter.hit(self._limit, person.id):
            again = self._limiter.get_window_stats(self._limit, person.id).reset_time
            seconds = max(1, math.ceil(again - time.time()))
            raise TooManyRequests(f"{self._what}; try again in {seconds} s", "person", seconds=seconds)
