"""Runs as processes on this machine, forked from a server that has torch loaded already."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import BinaryIO

from descent.engine import worker
from descent.engine.messages import Control, Output, RunSpec

GRACE = 5.0  # seconds a worker that closed its pipe may take to exit
MOST_UNREAD = 4 << 20  # bytes of commands; a worker that leaves so many unread hangs, and is killed

# multiprocessing reads an exit status once, and looks for ended children whenever it starts another: two
# threads that do so at the same time would lose it.
_reaping = threading.Lock()


class LocalWorker:
    """One run's process, seen from the server."""

    def __init__(self, process: ForkServerProcess, commands: asyncio.WriteTransport) -> None:
        self._process = process
        self._commands = commands

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def send(self, control: Control) -> None:
        """Send a command; one to a worker that is gone is lost, and its end is told separately."""
        if not self._commands.is_closing():
            self._commands.write(json.dumps(asdict(control)).encode() + b"\n")
        if self._commands.get_write_buffer_size() > MOST_UNREAD:
            self.kill()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def close(self) -> None:
        """Let go of a process that has ended."""
        if not self._commands.is_closing():
            self._commands.abort()


def _cause(process: ForkServerProcess) -> str:
    """Why a process that says no more has ended, or had to be."""
    if not wait([process.sentinel], GRACE):
        process.kill()
        wait([process.sentinel])
    with _reaping:
        process.join()
    if process.exitcode is not None and process.exitcode < 0:
        return f"the worker process was killed by signal {-process.exitcode}"
    return f"the worker process ended with exit code {process.exitcode}"


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
        process, outputs, commands = await asyncio.to_thread(self._spawn, spec)
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, commands)
        started = LocalWorker(process, transport)

        def close(cause: str) -> None:
            started.close()
            ended(cause)

        def follow() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                with outputs, contextlib.suppress(EOFError, OSError):
                    while True:
                        loop.call_soon_threadsafe(deliver, outputs.recv())
                loop.call_soon_threadsafe(close, _cause(process))

        threading.Thread(target=follow, name=process.name, daemon=True).start()
        return started

    def _spawn(self, spec: RunSpec) -> tuple[ForkServerProcess, Connection, BinaryIO]:
        """The process, the pipe with what it says, and the pipe for commands to it."""
        its_commands, commands = self._context.Pipe(duplex=False)
        outputs, its_outputs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=worker.main, args=(its_commands, its_outputs, spec), name=f"run-{spec.run}", daemon=True
        )
        with its_commands, its_outputs, _reaping:
            process.start()
        # A file knows that it is closed; a Connection that is collected at exit would be closed twice.
        with commands:
            return process, outputs, open(os.dup(commands.fileno()), "wb", buffering=0)
