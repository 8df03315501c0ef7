"""Begins to watch: finds the server's address, or starts a server, and sees to how the script ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import socket
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from descent.watching.company import is_distributed
from descent.watching.link import say
from descent.watching.run import WatchedRun

URL, SERVE, OFF, ROOM = (
    "DESCENT_URL",
    "DESCENT_WATCH_SERVE",
    "DESCENT_WATCH_OFF",
    "DESCENT_WATCH_CHECKPOINTS",
)
DEFAULT = "http://localhost:8000"
DEFAULT_ROOM = 1000  # MB of checkpoints

_runs: weakref.WeakSet[WatchedRun] = weakref.WeakSet()
_ended_with: list[BaseException] = []


def watch(
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer] = (),
    *,
    scheduler: LRScheduler | Sequence[LRScheduler] = (),
    name: str = "",
    url: str = "",
    serve: bool = False,
) -> WatchedRun:
    """Watch the training of a model on Descent's page.

    `optimizer`: one or several, whose learning rates and the like become knobs. `scheduler`: of the learning
    rate; one that multiplies a base rate (`LambdaLR`) has that moved and goes on multiplying. `name`: of the
    run, by default that of the script; runs of one name can be compared. `url`: of the server, by default
    `DESCENT_URL`, or the port 8000 of this machine. `serve`: start one if there is none (also
    `DESCENT_WATCH_SERVE=1`); it stays when the script ends. `DESCENT_WATCH_OFF=1` does nothing at all.

    In a distributed training every process calls this and `run.step`: the first one speaks with the server,
    and all do what the page asks for at the same step.

    Raises `TypeError` where `model` is no module or `optimizer` no optimizer.
    """
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
    if not isinstance(model, nn.Module):
        raise TypeError(f"model has to be an nn.Module, not {type(model).__name__}")
    for one in optimizers:
        if not isinstance(one, Optimizer):
            raise TypeError(f"optimizer has to be a torch.optim.Optimizer, not {type(one).__name__}")
    address = url or os.environ.get(URL, "") or DEFAULT
    off = os.environ.get(OFF, "") not in ("", "0")
    follows = _rank() > 0
    if not off and not follows and (serve or os.environ.get(SERVE, "") not in ("", "0")):
        address = _served(address)
    name = name or Path(sys.argv[0] or "run").stem
    schedulers = [scheduler] if isinstance(scheduler, LRScheduler) else list(scheduler)
    run = WatchedRun(
        model, optimizers, name, address, schedulers=schedulers, room=_room(), off=off, follows=follows
    )
    if not off and not follows:
        _see_to_the_end()
        _runs.add(run)
    return run


def _rank() -> int:
    """This process's number in a distributed training; 0 where it is alone."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return int(torch.distributed.get_rank())
    rank = os.environ.get("RANK", "0")
    return int(rank) if rank.isdecimal() else 0


def _room() -> int:
    """Bytes that checkpoints may take: none where other processes train the same model, since put back in
    one, it would differ from theirs.
    """
    world = os.environ.get("WORLD_SIZE", "1")
    if is_distributed() or (world.isdecimal() and int(world) > 1):
        return 0
    told = os.environ.get(ROOM, "") or str(DEFAULT_ROOM)
    try:
        return max(0, int(float(told) * 1e6))
    except (ValueError, OverflowError):
        say(f"{ROOM}={told!r} is no number of megabytes: no checkpoints are kept")
        return 0


def _served(address: str) -> str:
    """The address of a server: of the one that is there, or of a new one on this machine."""
    parts = urlsplit(address if "://" in address else f"http://{address}")
    host, port = parts.hostname or "localhost", parts.port or 8000
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return address
    if host not in ("localhost", "127.0.0.1", "::1"):
        say(f"there is no server at {address}, and none can be started on another machine")
        return address
    command = [sys.executable, "-m", "descent", "serve", "--port", str(port)]
    # It keeps none of the script's own files open: whoever reads these would wait for the server's end.
    nothing: Any = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, **nothing)
    assert process.stdout is not None
    found = re.search(r"http://\S+?(?=/\s|/$|\s)", process.stdout.readline())
    if found is None:
        say("a server could not be started (`descent serve` says why); training goes on")
        return address
    say(f"a server was started at {found[0]}/ (process {process.pid}; it stays when the script ends)")
    return found[0]


def _see_to_the_end() -> None:
    """Once: have runs told how the script ends."""
    if getattr(sys.excepthook, "descent", False):
        return
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        _ended_with.append(error)
        return before(kind, error, trace)

    hook.descent = True  # type: ignore[attr-defined]
    sys.excepthook = hook
    atexit.register(_end)


def _end() -> None:
    for run in list(_runs):
        run.ended_by(_ended_with[-1] if _ended_with else None)
