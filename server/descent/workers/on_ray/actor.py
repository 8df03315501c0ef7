"""What runs on the nodes of the cluster: an actor for each run, and on each node one that keeps a `nest`.

The text of this file travels to the node, so that it can tell what is installed there, be that no Descent at
all. What trains is the node's own Descent, once that was compared.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import pickle
import platform
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection

HEARTBEAT = 1.0  # seconds without a message, after which an empty one says that the node is there
AT_ONCE = 1 << 20  # bytes of messages sent together
GRACE = 5.0  # seconds until the exit code of a process that says nothing more has to be there
LAST_WORDS = 3.0  # seconds that an actor has to tell that its node is lost


def installed() -> dict[str, str]:
    """What decides what a run gives here. Of torch without what it was built for: a node may have GPUs."""
    torch = descent = "not installed"
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        torch = importlib.metadata.version("torch").partition("+")[0]
    with contextlib.suppress(ImportError):
        from descent import __version__ as descent
    return {"Python": ".".join(platform.python_version_tuple()[:2]), "torch": torch, "Descent": descent}


def difference(node: str, there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """A sentence on how what a node has installed differs from the server's; nothing where it does not."""
    different = [name for name in here if there[name] != here[name]]
    if not different:
        return ""
    has = ", ".join(f"{name} {there[name]}" for name in different)
    wants = ", ".join(f"{name} {here[name]}" for name in different)
    return f"the node {node} has {has}, and this server {wants}; install the same there"


class NestActor:
    """Keeps on its node the process of which runs are forks; it has loaded torch before one comes."""

    def __init__(self) -> None:
        _end_with(os.getppid())
        self._process: subprocess.Popen[str] | None = None
        self._address = ""

    def address(self) -> str:
        """The socket at which it listens; a process that has ended is replaced. Raises `OSError`."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "descent.workers.on_ray.nest"],
                stdin=subprocess.PIPE,  # it ends with this process
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._process.stdout is not None
            self._address = self._process.stdout.readline().strip()
        if not self._address:
            raise OSError("the process of which runs are forks did not start")
        return self._address


class RunActor:
    """Stands for one run, whose process is a fork of the node's nest. Its methods run in two threads, so that
    commands come while it trains.
    """

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._commands: Connection | None = None
        self._raylet = os.getppid()  # Ray's process on this node; where it has ended, the node is lost
        _end_with(self._raylet)

    def installed(self) -> tuple[str, dict[str, str]]:
        """The node's address, and what is installed there."""
        import ray.util

        return ray.util.get_node_ip_address(), installed()

    def train(self, spec: bytes, nest: str) -> Iterator[Sequence[bytes] | tuple[str, str]]:
        """Train a pickled `RunSpec` in a fork of the nest at an address; gives what the run says, pickled, in
        order, several messages at a time, and last how it ended ("failed" or "interrupted") and why.

        The engine writes into a pipe, as on the server's machine. Where nobody reads, Ray lets this generator
        wait; then the pipe fills up, and then the outbox keeps within its bounds.
        """
        its_commands, commands = Pipe(duplex=False)
        outputs, its_outputs = Pipe(duplex=False)
        with socket.socket(socket.AF_UNIX) as life, outputs, commands:
            with its_commands, its_outputs:
                life.connect(nest)
                socket.send_fds(life, [b"1"], [its_commands.fileno(), its_outputs.fileno()])
            threading.Thread(target=self._hand_over, args=(commands, spec), daemon=True).start()
            for said in _said(outputs):
                yield said
                if os.getppid() != self._raylet:
                    yield "interrupted", "Ray ended on its node"
                    return
            yield "failed", _cause(life)

    def command(self, controls: Sequence[bytes]) -> None:
        """Hand commands (JSON objects) to the engine; waits while it takes none."""
        self._begun.wait()
        assert self._commands is not None
        with contextlib.suppress(OSError):  # its process has ended
            for control in controls:
                self._commands.send_bytes(control)

    def _hand_over(self, commands: Connection, spec: bytes) -> None:
        """Give the process its order. In a thread: it may be large, and the node is to be heard meanwhile."""
        with contextlib.suppress(OSError):
            commands.send_bytes(pickle.dumps((os.environ.get("CUDA_VISIBLE_DEVICES"), spec)))
        self._commands = commands
        self._begun.set()


def _end_with(raylet: int) -> None:
    """Have this process end soon after Ray's own on this node, whose child it is: else it would stay."""

    def watch() -> None:
        while os.getppid() == raylet:
            time.sleep(HEARTBEAT)
        time.sleep(LAST_WORDS)
        os._exit(1)

    threading.Thread(target=watch, name="raylet", daemon=True).start()


def _cause(life: socket.socket) -> str:
    """Why the process ended that this connection stands for."""
    life.settimeout(GRACE)
    try:
        code = int(life.recv(16))
    except (OSError, ValueError):
        return "the worker process ended"
    if code < 0:
        return f"the worker process was killed by signal {-code}"
    return f"the worker process ended with exit code {code}"


def _said(outputs: Connection) -> Iterator[list[bytes]]:
    """What comes out of a pipe until its other end is closed, as much as there is at a time."""
    said: list[bytes] = []
    with contextlib.suppress(EOFError):
        while True:
            if sum(map(len, said)) < AT_ONCE and outputs.poll(0 if said else HEARTBEAT):
                said.append(outputs.recv_bytes())
            else:
                yield said
                said = []
    yield said
