"""Runs as processes on this machine, forked from a server that has torch loaded already."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import select
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess

from descent.engine import worker
from descent.engine.messages import Control, Output, RunSpec

GRACE = 5.0  # seconds a worker that closed its pipe may take to exit
MOST_UNREAD = 4096  # commands that wait; a worker that reads none of so many hangs, and is killed

# multiprocessing reads an exit status once, and looks for ended children whenever it starts another: two
# threads that do so at the same time would lose it.
_reaping = threading.Lock()


class LocalWorker:
    """One run's process, seen from the server. All but `follow` belongs to the event loop."""

    def __init__(self, process: ForkServerProcess, connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._unsent: deque[Control] = deque()
        self._poll = select.poll()
        self._poll.register(connection, select.POLLOUT)

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def send(self, control: Control) -> None:
        """Send a command; one to a worker that is gone is lost, and its end is told separately."""
        self._unsent.append(control)
        if len(self._unsent) == 1:
            self._send_waiting()
        elif len(self._unsent) > MOST_UNREAD:
            self.kill()

    def _send_waiting(self) -> None:
        """Send what the pipe takes without blocking, the rest when the worker has read some of it."""
        loop = asyncio.get_running_loop()
        try:
            while self._unsent and self._poll.poll(0):
                self._connection.send(self._unsent[0])
                self._unsent.popleft()
        except OSError:
            self._unsent.clear()
        if self._unsent:
            loop.add_writer(self._connection, self._send_waiting)
        elif not self._connection.closed:
            loop.remove_writer(self._connection)

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def follow(self, deliver: Callable[[Output], object]) -> str:
        """Read until the process ends; returns why it did. Blocks: runs in a thread of its own."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                deliver(self._connection.recv())
        if not wait([self._process.sentinel], GRACE):
            self._process.kill()
            wait([self._process.sentinel])
        with _reaping:
            self._process.join()
        return _cause(self._process.exitcode)

    def close(self) -> None:
        """Let go of a process that has ended."""
        self._unsent.clear()
        asyncio.get_running_loop().remove_writer(self._connection)
        self._connection.close()


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"the worker process was killed by signal {-exitcode}"
    return f"the worker process ended with exit code {exitcode}"


class LocalExecutor:
    """Starts runs as processes of a fork server."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["descent.engine.preload"])

    def warm_up(self) -> None:
        """Start the fork server, so that the first run need not wait for it."""
        forkserver.ensure_running()

    async def start(
        self, spec: RunSpec, deliver: Callable[[Output], None], ended: Callable[[str], None]
    ) -> LocalWorker:
        """Start a run. In the event loop, `deliver` gets each message, `ended` why the process is no more.

        Raises `OSError` or `EOFError` where no process can be had.
        """
        loop = asyncio.get_running_loop()
        started = await asyncio.to_thread(self._spawn, spec)

        def close(cause: str) -> None:
            started.close()
            ended(cause)

        def follow() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                cause = started.follow(partial(loop.call_soon_threadsafe, deliver))
                loop.call_soon_threadsafe(close, cause)

        threading.Thread(target=follow, name=f"run-{spec.run}", daemon=True).start()
        return started

    def _spawn(self, spec: RunSpec) -> LocalWorker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=worker.main, args=(theirs, spec), name=f"run-{spec.run}", daemon=True
        )
        with theirs, _reaping:
            process.start()
        return LocalWorker(process, ours)
