"""Runs as processes on this machine, forked from a server that has torch loaded already."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from descent.engine import worker
from descent.engine.messages import Control, Output, RunSpec

GRACE = 5.0  # seconds a worker that closed its pipe may take to exit


class LocalWorker:
    """One run's process, seen from the server."""

    def __init__(self, process: ForkServerProcess, connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._sending = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def send(self, control: Control) -> None:
        """Send a command; one to a worker that is gone is lost, and its end is told separately."""
        try:
            with self._sending:
                self._connection.send(control)
        except OSError:
            pass

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def follow(self, deliver: Callable[[Output], None], ended: Callable[[str], None]) -> None:
        """Read until the process ends. Blocks: runs in a thread of its own."""
        try:
            while True:
                deliver(self._connection.recv())
        except (EOFError, OSError):
            self._process.join(GRACE)
            if self._process.exitcode is None:
                self._process.kill()
                self._process.join()
            ended(_cause(self._process.exitcode))
        finally:
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
        """Start a run. In the event loop, `deliver` gets each message, `ended` why the process is no more."""
        loop = asyncio.get_running_loop()
        worker_ = await asyncio.to_thread(self._spawn, spec)

        def in_loop(callback: Callable[..., None], *arguments: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(callback, *arguments)

        threading.Thread(
            target=worker_.follow,
            args=(lambda output: in_loop(deliver, output), lambda cause: in_loop(ended, cause)),
            name=f"run-{spec.run}",
            daemon=True,
        ).start()
        return worker_

    def _spawn(self, spec: RunSpec) -> LocalWorker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=worker.main, args=(theirs, spec), name=f"run-{spec.run}", daemon=True
        )
        process.start()
        theirs.close()
        return LocalWorker(process, ours)
