"""The process on a node of which each run's is a fork: torch and every experiment are loaded in it already.

    python -m descent.workers.on_ray.nest

It says at which socket it listens; `actor.RunActor` connects there. One connection is one run: with it come
the ends of two pipes, as a run on the server's machine has them. When the run's process ends, its exit code
goes back; when the connection is closed, the process is killed. No more are taken once the standard input is
closed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import selectors
import signal
import socket
import sys
import tempfile
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

VISIBLE = "CUDA_VISIBLE_DEVICES"  # which GPUs Ray gave to the actor, and so to the run
BACKLOG = 64  # connections that wait while torch is loaded
PROMPT = 5.0  # seconds that whoever connects may take to send what belongs to it


def main() -> None:
    """Serve the run's actors of a node, until the standard input is closed and no run is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (
        tempfile.TemporaryDirectory(prefix="descent-", ignore_cleanup_errors=True) as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        address = str(Path(folder, "nest"))
        listener.bind(address)
        listener.listen(BACKLOG)
        print(address, flush=True)
        os.dup2(2, 1)  # what an experiment prints is for Ray's log
        import descent.workers.preload  # noqa: F401

        Nest(listener).serve(sys.stdin)


class Nest:
    """Forks, and tells of their ends. In one thread: only then is a fork sound."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._ready = selectors.DefaultSelector()
        self._lives: dict[socket.socket, BaseProcess] = {}

    def serve(self, until: IO[str]) -> None:
        """Take runs until a file has come to its end; return when none is left."""
        self._ready.register(until, selectors.EVENT_READ, lambda: self._close(until))
        self._ready.register(self._listener, selectors.EVENT_READ, self._accept)
        while self._ready.get_map():
            for key, _ in self._ready.select():
                if self._ready.get_map().get(key.fd) is key:  # what came before may have ended it
                    key.data()

    def _close(self, until: IO[str]) -> None:
        self._ready.unregister(until)
        self._ready.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        life, _ = self._listener.accept()
        life.settimeout(PROMPT)
        try:
            _, pipes, _, _ = socket.recv_fds(life, 1, 2)
        except OSError:
            pipes = []
        if len(pipes) < 2:  # the actor was killed meanwhile
            for pipe in pipes:
                os.close(pipe)
            life.close()
            return
        commands, outputs = Connection(pipes[0], writable=False), Connection(pipes[1], readable=False)
        with commands, outputs:
            process = multiprocessing.get_context("fork").Process(
                target=self._begin, args=(commands, outputs), daemon=True
            )
            process.start()
        self._lives[life] = process
        self._ready.register(life, selectors.EVENT_READ, process.kill)
        self._ready.register(process.sentinel, selectors.EVENT_READ, lambda: self._ended(life))

    def _ended(self, life: socket.socket) -> None:
        process = self._lives.pop(life)
        self._ready.unregister(life)
        self._ready.unregister(process.sentinel)
        process.join()
        with life, contextlib.suppress(OSError):
            life.sendall(str(process.exitcode).encode())
        process.close()

    def _begin(self, commands: Connection, outputs: Connection) -> None:
        """Train a run, in its own process: what belongs to others is let go of."""
        self._ready.close()
        self._listener.close()
        for life in self._lives:
            life.close()
        train(commands, outputs)


def train(commands: Connection, outputs: Connection) -> None:
    """Train what comes first over `commands`: the GPUs that are visible, and a pickled `RunSpec`."""
    from descent.settings import Settings
    from descent.workers.worker import main as work

    try:
        visible, spec = pickle.loads(commands.recv_bytes())
    except (EOFError, OSError):  # the actor was killed meanwhile
        return
    if visible is None:
        os.environ.pop(VISIBLE, None)
    else:
        os.environ[VISIBLE] = visible
    told = pickle.loads(spec)
    work(commands, outputs, replace(told, data=(*told.data, *map(str, Settings(**{}).data_folders))))


if __name__ == "__main__":
    main()
