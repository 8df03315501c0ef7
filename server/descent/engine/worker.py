"""The process in which one run trains: the engine, and a thread that sends what it says."""

from __future__ import annotations

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
SWITCH_INTERVAL = 0.001  # seconds; lets the sending thread in between two steps


class PipeInbox(Inbox):
    """Commands straight from the pipe, looked for between two steps: a thread would have to wait its turn."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def __bool__(self) -> bool:
        return bool(self._poll.poll(0))

    def take(self) -> Control | None:
        """The next command, if there is one. Ends the process when the server is gone."""
        if not self:
            return None
        try:
            control = self._connection.recv()
        except (EOFError, OSError):
            os._exit(1)
        assert isinstance(control, Control), control
        return control

    def wait(self, seconds: float | None) -> None:
        """Sleep until a command arrives, at most so long."""
        select.select([self._connection], [], [], seconds if seconds is None else max(seconds, 0))


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
                os._exit(1)  # the server is gone, and nobody is left to train for
            if closed and not batch:
                return


def main(connection: Connection, spec: RunSpec) -> None:
    """Train one run, saying everything over `connection`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides how a run ends
    sys.setswitchinterval(SWITCH_INTERVAL)
    torch.set_num_threads(1)
    inbox = PipeInbox(connection)
    outbox = Outbox(connection)
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
