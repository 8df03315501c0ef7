"""The fork server: one process with torch and every experiment loaded, of which each worker is a fork.

It takes seconds to load them, so it is started before the server itself imports torch; nothing heavy is
imported here. Where nothing can be forked (Windows) there is none.
"""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING

try:
    from multiprocessing import forkserver
except ImportError:
    FORKS = False
else:
    FORKS = hasattr(os, "fork")

if TYPE_CHECKING:  # Windows has one of them only
    from multiprocessing.context import ForkServerContext, SpawnContext


def context(device: str = "cpu") -> ForkServerContext | SpawnContext:
    """How workers' processes are started: forked where that can be done, else each a Python of its own. What
    trains with Metal is never forked: Apple's libraries end a process that was.
    """
    if not FORKS or device == "mps":
        return multiprocessing.get_context("spawn")
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["descent.workers.preload"])
    return forked


def warm_up() -> None:
    """Start the fork server, if it is not running yet. Does not wait until it has loaded everything."""
    if FORKS:
        context()
        forkserver.ensure_running()


def server_pid() -> int | None:
    """The id of the fork server's process, if there is one."""
    return getattr(forkserver._forkserver, "_forkserver_pid", None) if FORKS else None
