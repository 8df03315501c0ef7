"""Fetches under way in the server, each in a thread of its own, one at a time per set."""

from __future__ import annotations

import logging
import threading

from descent.datasets.catalogue import DataSet
from descent.datasets.shelf import Shelf
from descent.errors import DescentError, FetchFailed

logger = logging.getLogger(__name__)

CANCEL_WITHIN = 15.0  # seconds: a line that is silent is noticed after ten


class _Fetch:
    """A fetch, under way or failed."""

    def __init__(self, shelf: Shelf, one: DataSet) -> None:
        self.done = shelf.begun(one)
        self.problem: DescentError | None = None
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=self._run, args=[shelf, one], name=f"fetch-{one.name}", daemon=True
        )

    def _run(self, shelf: Shelf, one: DataSet) -> None:
        from descent.datasets.download import Cancelled

        def told(done: int) -> None:
            self.done = done

        try:
            shelf.fetch(one, told, self.stop)
        except Cancelled:
            pass
        except FetchFailed as error:
            self.problem = error
        except Exception as error:
            logger.exception("%s could not be fetched", one.name)
            self.problem = FetchFailed(f"{one.title} could not be fetched: {error!r}", reason="unexpected")


class Fetches:
    """What is being fetched, and why what was asked for is not there. Safe to use from several threads."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._lock = threading.Lock()
        self._fetches: dict[str, _Fetch] = {}

    def start(self, one: DataSet) -> None:
        """Fetch a set, unless it is there or on its way."""
        with self._lock:
            if self.progress(one) is not None or self.shelf.place(one) != "absent":
                return
            fetch = self._fetches[one.name] = _Fetch(self.shelf, one)
            fetch.thread.start()

    def cancel(self, one: DataSet) -> None:
        """End a fetch, and delete what has come. Blocks until that is done."""
        with self._lock:
            fetch = self._fetches.pop(one.name, None)
        if fetch is not None:
            fetch.stop.set()
            fetch.thread.join(CANCEL_WITHIN)
        self.shelf.clear(one)

    def progress(self, one: DataSet) -> int | None:
        """Bytes that have come of a set that is on its way; None if it is not."""
        fetch = self._fetches.get(one.name)
        return fetch.done if fetch is not None and fetch.thread.is_alive() else None

    def problem(self, one: DataSet) -> DescentError | None:
        """Why the last fetch failed."""
        fetch = self._fetches.get(one.name)
        return fetch.problem if fetch is not None else None

    def close(self) -> None:
        """Stop all of them; what has come stays for the next time."""
        for fetch in list(self._fetches.values()):
            fetch.stop.set()
