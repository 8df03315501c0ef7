"""The process in which one run trains: the engine between two threads that talk to the server."""

from __future__ import annotations

import json
import os
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
SWITCH_INTERVAL = 0.001  # seconds; lets the reading thread in between two steps


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
    inbox = Inbox()
    outbox = Outbox(outputs)
    threading.Thread(target=_read, args=(commands, inbox), name="inbox", daemon=True).start()
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


def _read(commands: Connection, inbox: Inbox) -> None:
    """Hand on what comes, a JSON object a line, for as long as the server lives."""
    with open(commands.fileno(), "rb", closefd=False) as lines:
        for line in lines:
            inbox.put(Control(**json.loads(line)))
    os._exit(1)  # the server is gone, and nobody is left to train for
