"""The process in which one run trains: the engine, and a thread that sends what it says."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import traceback
from collections import deque
from multiprocessing.connection import Connection

import torch

from descent.engine.loop import Inbox, Loop, failure
from descent.engine.messages import Control, Output, RunSpec
from descent.experiment import KnobError
from descent.registry import experiments

MOST_UNSENT = 4096  # durable messages; a server further behind than that makes training wait
TRACEBACK_TAIL = 2000  # characters
READ_AT_ONCE = 1 << 16  # bytes; what a pipe holds
SWITCH_INTERVAL = 0.001  # seconds; lets the sending thread in between two steps


class PipeInbox(Inbox):
    """Commands from a pipe, a JSON object a line, read between two steps.

    A thread that reads them would have to wait for its turn, and training for its end.
    """

    def __init__(self, commands: Connection) -> None:
        super().__init__()
        self._file = commands.fileno()
        self._unfinished = b""
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)

    def __bool__(self) -> bool:
        return super().__bool__() or bool(self._poll.poll(0))

    def take(self) -> Control | None:
        """The next command, if there is one."""
        if not self._waiting and self._poll.poll(0):
            self._read()
        return super().take()

    def wait(self, seconds: float | None) -> None:
        """Sleep until a command arrives, at most so long."""
        if not self._waiting:
            select.select([self._file], [], [], seconds if seconds is None else max(seconds, 0))

    def _read(self) -> None:
        data = os.read(self._file, READ_AT_ONCE)
        if not data:
            os._exit(1)  # the server is gone, and nobody is left to train for
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        self._waiting += [Control(**json.loads(line)) for line in lines]


class Outbox:
    """Sends from a thread of its own: scalars and events in order, of pictures only the latest."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._durable: deque[Output] = deque()
        self._pictures: dict[str, Output] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._send_all, name="outbox", daemon=True)
        self._thread.start()

    def put(self, output: Output) -> None:
        """Queue one message; waits only when the server is far behind."""
        with self._changed:
            if output.kind == "panel":
                self._pictures[output.panel] = output
            else:
                self._changed.wait_for(lambda: len(self._durable) < MOST_UNSENT)
                self._durable.append(output)
            self._changed.notify_all()

    def close(self) -> None:
        """Send what is left, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _send_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._durable or self._pictures or self._closed)
                batch = sorted([*self._durable, *self._pictures.values()], key=lambda output: output.seq)
                self._durable.clear()
                self._pictures.clear()
                closed = self._closed
                self._changed.notify_all()
            try:
                for output in batch:
                    self._connection.send(output)
            except OSError:
                os._exit(1)  # the server is gone
            if closed and not batch:
                return


def main(commands: Connection, outputs: Connection, spec: RunSpec) -> None:
    """Train one run, obeying what comes over `commands` and saying everything over `outputs`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides how a run ends
    sys.setswitchinterval(SWITCH_INTERVAL)
    torch.set_num_threads(1)
    inbox = PipeInbox(commands)
    outbox = Outbox(outputs)
    loop: Loop | None = None
    try:
        loop = Loop(experiments()[spec.experiment], spec, inbox, outbox.put)
        loop.run()
    except Exception as error:
        known = isinstance(error, KnobError)
        reason = str(error) if known else traceback.format_exc()[-TRACEBACK_TAIL:]
        if loop is None:
            outbox.put(failure(spec, reason))
        else:
            loop.fail(reason)
    outbox.close()
