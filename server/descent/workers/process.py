"""Runs as processes on this machine, forked from a server that has torch loaded already.

Where nothing can be forked (Windows) each is a Python of its own, which takes seconds to load torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from descent.engine.messages import Control, Output, RunSpec
from descent.workers import forks, worker
from descent.workers.executor import Room

logger = logging.getLogger(__name__)

GRACE = 5.0  # seconds a worker that closed its pipe may take to exit
MOST_UNREAD = 4 << 20  # bytes of unread commands, above which a worker counts as hung and is killed

# multiprocessing reads an exit status once, and looks for ended children whenever it starts another: two
# threads that do so at the same time would lose it.
reaping = threading.Lock()


class Commands(Protocol):
    """A command channel to a worker. No method blocks."""

    def send(self, data: bytes) -> int:
        """Send or buffer; returns the bytes buffered. Commands to a closed pipe are lost."""

    def close(self) -> None:
        """Stop sending."""


class PipeCommands:
    """Commands over a pipe that the event loop writes to."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport

    @classmethod
    async def over(cls, connection: Connection) -> Commands:
        """Takes over a connection's pipe."""
        # A file tracks that it is closed; a Connection that is collected at exit would be closed twice.
        with connection:
            pipe = open(os.dup(connection.fileno()), "wb", buffering=0)  # noqa: SIM115 — the transport closes it
        loop = asyncio.get_running_loop()
        return cls((await loop.connect_write_pipe(asyncio.BaseProtocol, pipe))[0])

    def send(self, data: bytes) -> int:
        """Send as `Connection` does: length prefix, then data."""
        if not self._transport.is_closing():
            self._transport.write(len(data).to_bytes(4, "big") + data)
        return self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close at once, dropping unsent commands."""
        if not self._transport.is_closing():
            self._transport.abort()


class ThreadCommands:
    """Commands written by a thread, where the event loop cannot write to such a pipe (Windows)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._unsent: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._size = 0
        threading.Thread(target=self._write, name="commands", daemon=True).start()

    def send(self, data: bytes) -> int:
        """Queue a command for the thread."""
        self._size += len(data)
        self._unsent.put(data)
        return self._size

    def close(self) -> None:
        """End the thread after the queued commands."""
        self._unsent.put(b"")

    def _write(self) -> None:
        with self._connection, contextlib.suppress(OSError):
            while data := self._unsent.get():
                self._connection.send_bytes(data)
                self._size -= len(data)


class LocalWorker:
    """One run's process, seen from the server."""

    def __init__(self, process: BaseProcess, commands: Commands) -> None:
        self._process = process
        self._commands = commands

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def send(self, control: Control) -> None:
        """Send a command; lost if the worker is gone, which is reported separately."""
        if self._commands.send(json.dumps(asdict(control)).encode()) > MOST_UNREAD:
            self.kill()

    def kill(self) -> None:
        """End the process at once, and its pipe: the event loop may end before it hears of the end."""
        self._process.kill()
        self._commands.close()

    def close(self) -> None:
        """Release the pipe of an ended process."""
        self._commands.close()


def cause_of(process: BaseProcess) -> str:
    """The exit reason of a silent worker; kills it first if it outlives GRACE."""
    if not wait([process.sentinel], GRACE):
        process.kill()
        wait([process.sentinel])
    with reaping:
        process.join()
    if process.exitcode is not None and process.exitcode < 0:
        return f"the worker process was killed by signal {-process.exitcode}"
    return f"the worker process ended with exit code {process.exitcode}"


class LocalExecutor:
    """Starts runs as processes of a fork server."""

    def warm_up(self) -> None:
        """Start the fork server, so that the first run need not wait for it."""
        forks.warm_up()

    async def start(
        self, spec: RunSpec, deliver: Callable[[Output], None], ended: Callable[[str], None]
    ) -> LocalWorker:
        """Start a run. In the event loop, `deliver` gets each message, `ended` the process's exit reason.

        Raises `OSError` or `EOFError` if no process can be started.
        """
        loop = asyncio.get_running_loop()
        process, outputs, commands = await asyncio.to_thread(self._spawn, spec)
        way = await PipeCommands.over(commands) if forks.FORKS else ThreadCommands(commands)
        started = LocalWorker(process, way)

        def close(cause: str) -> None:
            started.close()
            ended(cause)

        def follow() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server is ending
                with outputs, contextlib.suppress(EOFError, OSError):
                    while True:
                        loop.call_soon_threadsafe(deliver, outputs.recv())
                loop.call_soon_threadsafe(close, cause_of(process))

        threading.Thread(target=follow, name=process.name, daemon=True).start()
        return started

    async def room(self, device: str, cores: int = 1) -> Room:
        """One worker: the other cores are for other runs."""
        return Room()

    def close(self) -> None:
        """The fork server ends with this process."""

    def _spawn(self, spec: RunSpec) -> tuple[BaseProcess, Connection, Connection]:
        """The process, the pipe with what it says, and the pipe for commands to it."""
        context = forks.context(spec.device)
        its_commands, commands = context.Pipe(duplex=False)
        outputs, its_outputs = context.Pipe(duplex=False)
        process = context.Process(
            target=worker.main, args=(its_commands, its_outputs, spec), name=f"run-{spec.run}", daemon=True
        )
        with its_commands, its_outputs, reaping:
            before = forks.server_pid()
            process.start()
        if before not in (None, forks.server_pid()):
            logger.warning(
                "the process that starts workers had ended; there is a new one, the run begins later"
            )
        return process, outputs, commands
