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

SECONDS = 10.0  # that a file may take to load
SLICE = 0.1  # seconds until one that is given up is let go


def fault_of(code: Code, given_up: threading.Event, seconds: float = SECONDS) -> Broken | None:
    """Why a file gives no experiment, None if it does. Waits `seconds` at most, or till `given_up`."""
    latest = time.monotonic() + seconds
    context = forks.context()
    said, telling = context.Pipe(duplex=False)
    process = context.Process(target=_try, args=(telling, code), name=f"try-{code.id}", daemon=True)
    with said:
        with telling, reaping:
            process.start()
        try:
            fault: Broken | None = None
            while not (told := said.poll(SLICE)) and not given_up.is_set() and time.monotonic() < latest:
                pass
            if told:
                fault = said.recv()
            else:
                what = f"it takes more than {seconds:g} s to load; what takes long belongs in `build`"
                fault = not_loaded(code, "slow", what)
        except EOFError:
            fault = not_loaded(code, "ended", "to load it ends the process, without an error")
        finally:
            process.kill()
            with reaping:
                process.join()
    return fault


def _try(telling: Connection, code: Code) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        loaded(code)
    except NotLoaded as error:
        telling.send(error.broken)
    else:
        telling.send(None)
