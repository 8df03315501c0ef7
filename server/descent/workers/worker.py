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
from dataclasses import replace
from multiprocessing.connection import Connection

import torch

from descent.contract import KnobError
from descent.contract.entry import Entry
from descent.engine.checkpoint import CheckpointError
from descent.engine.inbox import Inbox
from descent.engine.knobs import apart, refusal
from descent.engine.loop import Loop, failure
from descent.engine.messages import Control, NotMeasured, Output, Refused, RunSpec
from descent.engine.sweep.sweep import sweep
from descent.engine.taking import take
from descent.engine.tempo import measure
from descent.own.load import NotLoaded, loaded
from descent.registry import experiments
from descent.workers.bounds import after_others, bound_memory, is_lacking_memory, of_memory
from descent.workers.outbox import Outbox
from descent.workers.unable import unable

TRACEBACK_TAIL = 2000  # characters
SWITCH_INTERVAL = 0.001  # seconds; lets the reading thread in between two steps


def main(commands: Connection, outputs: Connection, spec: RunSpec) -> None:
    """Train one run: commands arrive over `commands`, all output goes to `outputs`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides how a run ends
    inbox = Inbox()
    threading.Thread(target=_read, args=(commands, inbox), name="inbox", daemon=True).start()
    after_others()
    if spec.device == "cpu":  # a GPU's driver maps more than the machine has
        spec = replace(spec, memory_mb=bound_memory(spec.memory_mb))
    sys.setswitchinterval(SWITCH_INTERVAL)
    torch.set_num_threads(spec.cores)
    outbox = Outbox(outputs)
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
    if spec.measure:
        _measure(entry, spec, emit)
        return
    loop: Loop | None = None
    try:
        loop = Loop(entry, spec, inbox, emit)
        loop.run()
    except Exception as error:
        reason, refused = _why(error, spec, entry, loop)
        if loop is None:
            emit(failure(spec, reason, refused))
        else:
            loop.fail(reason, refused)


def _measure(entry: Entry, spec: RunSpec, emit: Callable[[Output], None]) -> None:
    """Tell how fast the experiment trains on the device, or why it does not."""
    try:
        measure(entry, spec, emit)
    except Exception as error:
        lacking = unable(error, spec.device)
        reason = "memory" if is_lacking_memory(error) else lacking.params["reason"] if lacking else ""
        emit(NotMeasured(spec.first_seq, 0, reason or f"{type(error).__name__}: {error}"[:TRACEBACK_TAIL]))


def _why(error: Exception, spec: RunSpec, entry: Entry, loop: Loop | None) -> tuple[str, Refused | None]:
    """The reason why a run failed, and the knob's value that is to blame, if one is."""
    if is_lacking_memory(error):
        built = entry.knobs_type.model_validate(apart(spec.knobs)[0], strict=False)
        return of_memory(error, built if loop is None else loop.knobs, spec.memory_mb)
    if isinstance(error, KnobError):
        return str(error), refusal(error)
    if isinstance(error, CheckpointError):
        return str(error), None
    if (lacking := unable(error, spec.device)) is not None:
        return lacking.detail, lacking
    return traceback.format_exc()[-TRACEBACK_TAIL:], None


def _read(commands: Connection, inbox: Inbox) -> None:
    """Put commands (JSON objects) into the inbox for as long as the server lives."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            inbox.put(Control(**json.loads(commands.recv_bytes())))
    os._exit(1)  # the server is gone
