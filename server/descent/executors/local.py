"""Runs as processes on this machine, forked from a server that has torch loaded already."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from queue import SimpleQueue

from descent.engine import worker
from descent.engine.messages import Control, Output, RunSpec

GRACE = 5.0  # seconds a worker that closed its pipe may take to exit
MOST_UNREAD = 4096  # commands; a worker that leaves so many unread hangs, and is killed

# multiprocessing reads an exit status once, and looks for ended children whenever it starts another: two
# threads that do so at the same time would lose it.
_reaping = threading.Lock()


class LocalWorker:
    """One run's process, seen from the server."""

    def __init__(self, process: ForkServerProcess, connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._commands: SimpleQueue[Control | None] = SimpleQueue()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def send(self, control: Control) -> None:
        """Send a command; one to a worker that is gone is lost, and its end is told separately."""
        if self._commands.qsize() >= MOST_UNREAD:
            self.kill()
        else:
            self._commands.put(control)

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def follow(self, deliver: Callable[[Output], None], ended: Callable[[str], None]) -> None:
        """Read until the process ends. Blocks: runs in a thread of its own."""
        # A pipe whose other end does not read blocks its writer, which must not be the server's event loop.
        writer = threading.Thread(target=self._write, name=f"{self._process.name}-commands", daemon=True)
        writer.start()
        with contextlib.suppress(EOFError, OSError):
            while True:
                deliver(self._connection.recv())
        if not wait([self._process.sentinel], GRACE):
            self._process.kill()
            wait([self._process.sentinel])
        with _reaping:
            self._process.join()
        self._commands.put(None)
        writer.join()
        self._connection.close()
        ended(_cause(self._process.exitcode))

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (control := self._commands.get()) is not None:
                self._connection.send(control)


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

        def in_loop(callback: Callable[..., None], *arguments: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(callback, *arguments)

        threading.Thread(
            target=started.follow,
            args=(lambda output: in_loop(deliver, output), lambda cause: in_loop(ended, cause)),
            name=f"run-{spec.run}",
            daemon=True,
        ).start()
        return started

    def _spawn(self, spec: RunSpec) -> LocalWorker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=worker.main, args=(theirs, spec), name=f"run-{spec.run}", daemon=True
        )
        with theirs, _reaping:
            process.start()
        return LocalWorker(process, ours)
