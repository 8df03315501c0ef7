"""One run on a node of the cluster.

The text of this file travels to the node, so that it can tell what is installed there, be that no Descent at
all. What trains is imported from the node's own Descent, once that was compared.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import pickle
import platform
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection

HEARTBEAT = 1.0  # seconds without a message, after which an empty one says that the node is there
AT_ONCE = 1 << 20  # bytes of messages sent together


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


class RunActor:
    """The worker of one run. Its methods run in two threads, so that commands come while it trains."""

    def __init__(self) -> None:
        self._controls: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def installed(self) -> tuple[str, dict[str, str]]:
        """The node, and what is installed there; the answer comes once the actor has a place."""
        import ray.util

        return ray.util.get_node_ip_address(), installed()

    def train(self, spec: bytes) -> Iterator[Sequence[bytes]]:
        """Train a pickled `RunSpec`; gives what the run says, pickled, in order, several messages at a time.

        The engine writes into a pipe, as on the server's machine. Where nobody reads, Ray lets this generator
        wait; then the pipe fills up, and then the outbox keeps within its bounds.
        """
        outputs, its_outputs = Pipe(duplex=False)
        with ThreadPoolExecutor(1, "training") as threads, outputs:
            training = threads.submit(_train, spec, self._controls, its_outputs)
            yield from _said(outputs)
            training.result()

    def command(self, controls: Sequence[bytes]) -> None:
        """Hand commands (JSON objects) to the engine."""
        for control in controls:
            self._controls.put(control)


def _train(spec: bytes, controls: queue.SimpleQueue[bytes], outputs: Connection) -> None:
    """Train, in a thread of its own: to load what that needs takes seconds, in which the node is heard."""
    with outputs:
        from descent.engine.inbox import Inbox
        from descent.engine.messages import Control
        from descent.settings import Settings
        from descent.workers.worker import work

        inbox = Inbox()

        def command() -> None:
            while True:
                inbox.put(Control(**json.loads(controls.get())))

        threading.Thread(target=command, name="inbox", daemon=True).start()
        told = pickle.loads(spec)
        work(inbox, outputs, replace(told, data=(*told.data, *map(str, Settings(**{}).data_folders))))


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
