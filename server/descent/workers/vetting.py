"""Tries a file of one's own in a process of its own: what hangs or kills that leaves the server alone."""

from __future__ import annotations

import signal
import threading
import time
from multiprocessing.connection import Connection

from descent.contract.entry import Broken, Code
from descent.own.load import NotLoaded, loaded, not_loaded
from descent.workers import forks
from descent.workers.process import reaping

SECONDS = 15.0  # that a file may take to load
BEGINNING = 300.0  # seconds that its process may take to begin
SLICE = 0.1  # seconds until one that is given up is let go


def fault_of(code: Code, given_up: threading.Event, seconds: float = SECONDS) -> Broken | None:
    """Why a file gives no experiment, None if it does. Waits `seconds` at most, or till `given_up`.

    The process first has to begin: where the fork server is still loading torch, that takes a while.
    """
    context = forks.context()
    said, telling = context.Pipe(duplex=False)
    process = context.Process(target=_try, args=(telling, code), name=f"try-{code.id}", daemon=True)
    with said:
        with telling, reaping:
            process.start()
        try:
            begun = _heard(said, given_up, BEGINNING) and said.recv()
            if begun and _heard(said, given_up, seconds):
                fault: Broken | None = said.recv()
                return fault
            what = f"it takes more than {seconds:g} s to load; what takes long belongs in `build`"
            return not_loaded(code, "slow", what)
        except EOFError:
            return not_loaded(code, "ended", "to load it ends the process, without an error")
        finally:
            process.kill()
            with reaping:
                process.join()


def _heard(said: Connection, given_up: threading.Event, seconds: float) -> bool:
    """Whether something was said within so many seconds."""
    latest = time.monotonic() + seconds
    while not (heard := said.poll(SLICE)) and not given_up.is_set() and time.monotonic() < latest:
        pass
    return heard


def _try(telling: Connection, code: Code) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    telling.send(True)
    try:
        loaded(code)
    except NotLoaded as error:
        telling.send(error.broken)
    else:
        telling.send(None)
