"""Servers for tests, each at a fraction of what starting one costs: forks of a process that has all loaded.

They share its fork server, so whoever asks which processes belong to a server starts it otherwise.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

PROGRAM = """
import gc, json, os, signal, sys
from multiprocessing import forkserver
import descent.web.app, descent.cli.main
from descent.workers.process import LocalExecutor

from descent.registry import experiments

LocalExecutor().warm_up()
experiments()
forkserver._forkserver.ensure_running = forkserver.ensure_running = lambda: None  # for all servers
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
gc.freeze()  # or each server would copy all of it when it first collects garbage
for line in sys.stdin:
    told = json.loads(line)
    server = os.fork()
    if not server:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(told["says"], os.O_WRONLY), 1)
        os.environ.clear()
        os.environ.update(told["environment"])
        sys.argv = ["descent", "serve", *told["options"]]
        descent.cli.main.main()
    print(server, flush=True)
"""


class Served:
    """A server's process, of which `stdout` is what it says."""

    def __init__(self, pid: int, stdout: IO[str]) -> None:
        self.stdout = stdout
        self._handle = os.pidfd_open(pid)

    def send_signal(self, sign: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, sign)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds: float) -> None:
        """Wait until it has ended. Raises `TimeoutError`."""
        ended = select.poll()
        ended.register(self._handle, select.POLLIN)
        if not ended.poll(1000 * seconds):
            raise TimeoutError(f"it has not ended within {seconds:g} s")

    def close(self) -> None:
        """Let go of an ended one."""
        self.stdout.close()
        os.close(self._handle)


class Nursery:
    """The process that all servers of these tests are forks of."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def serve(self, *options: str, **environment: str) -> Served:
        """Start `descent serve` with these options, and these variables over the tests' own."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            says = Path(folder) / "says"
            os.mkfifo(says)
            told = {
                "options": options,
                "environment": {**os.environ, **environment},
                "says": str(says),
            }
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
            stdout = says.open(encoding="utf-8")  # waits until the server has opened it
        return Served(int(self._process.stdout.readline()), stdout)


@cache
def nursery() -> Nursery:
    """The one of this process, which ends with it: it reads from a pipe that is closed then."""
    return Nursery()
