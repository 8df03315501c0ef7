"""The process in which one run trains: the engine between two threads that talk to the server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch

from descent.contract import KnobError
from descent.contract.entry import Entry
from descent.engine.checkpoint import CheckpointError
from descent.engine.inbox import Inbox
from descent.engine.knobs import refusal
from descent.engine.loop import Loop, failure
from descent.engine.messages import Control, Output, RunSpec
from descent.engine.sweep.sweep import sweep
from descent.engine.taking import take
from descent.own.load import NotLoaded, loaded
from descent.registry import experiments
from descent.workers.outbox import Outbox

TRACEBACK_TAIL = 2000  # characters
SWITCH_INTERVAL = 0.001  # seconds; lets the reading thread in between two steps


def main(commands: Connection, outputs: Connection, spec: RunSpec) -> None:
    """Train one run: commands arrive over `commands`, all output goes to `outputs`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides how a run ends
    sys.setswitchinterval(SWITCH_INTERVAL)
    torch.set_num_threads(1)
    inbox = Inbox()
    outbox = Outbox(outputs)
    threading.Thread(target=_read, args=(commands, inbox), name="inbox", daemon=True).start()
    try:
        entry = loaded(spec.code) if spec.code else experiments()[spec.experiment]
    except NotLoaded as error:  # it did load when it was tried
        outbox.put(failure(spec, str(error), None))
    else:
        train(entry, spec, inbox, outbox.put)
    outbox.close()


def train(entry: Entry, spec: RunSpec, inbox: Inbox, emit: Callable[[Output], None]) -> None:
    """Train one run to its end, or sweep or take weights from its state; an error is its failure."""
    if spec.sweep is not None:
        sweep(entry, spec, spec.sweep, inbox, emit)
        return
    if spec.take:
        take(entry, spec, emit)
        return
    loop: Loop | None = None
    try:
        loop = Loop(entry, spec, inbox, emit)
        loop.run()
    except Exception as error:
        refused = refusal(error) if isinstance(error, KnobError) else None
        known = isinstance(error, KnobError | CheckpointError)
        reason = str(error) if known else traceback.format_exc()[-TRACEBACK_TAIL:]
        if loop is None:
            emit(failure(spec, reason, refused))
        else:
            loop.fail(reason, refused)


def _read(commands: Connection, inbox: Inbox) -> None:
    """Put commands (JSON objects) into the inbox for as long as the server lives."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            inbox.put(Control(**json.loads(commands.recv_bytes())))
    os._exit(1)  # the server is gone
