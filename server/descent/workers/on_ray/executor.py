"""Runs on a Ray cluster, seen from the server."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import json
import logging
import multiprocessing
import pickle
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from descent.engine.device import kind_of
from descent.engine.messages import Control, Event, Output, RunSpec, Unplaced
from descent.protocol import Diagnosis
from descent.workers import forks
from descent.workers.executor import Executor, Interruption, Room, Worker
from descent.workers.on_ray import driver
from descent.workers.on_ray.driver import listening
from descent.workers.process import Commands, PipeCommands, ThreadCommands, cause_of, reaping

logger = logging.getLogger(__name__)

CONNECTED_WITHIN = 30.0  # seconds
HEAD_WITHIN = 2.0  # seconds that the head may take to answer when a run begins
BEGINNING = 1.0  # seconds until an actor trains (docs/cluster.md)
ASIDES = 8  # messages that the server may have about a run before its worker begins


class RayWorker:
    """One run's actor, seen from the server."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def send(self, control: Control) -> None:
        """Send a command; lost if the actor is gone, which is reported separately."""
        self._tell("send", json.dumps(asdict(control)).encode())

    def kill(self) -> None:
        """End the actor at once."""
        self._tell("kill")

    def close(self) -> None:
        """Nothing is left to release."""


@dataclass
class Listener:
    """Whom the messages of a run are for."""

    deliver: Callable[[Output], None]
    ended: Callable[[str], None]
    first_seq: int  # of what may be said of a run that has no place yet
    asides: int
    holds: bool = True  # a CPU


class RayExecutor:
    """Starts runs as actors of a Ray cluster; it connects when it has to, and again when that was lost."""

    def __init__(self, address: str = "", here: Executor | None = None) -> None:
        """`address`: of the cluster's head; by default what `RAY_ADDRESS` or this machine's node says.
        `here`: what starts runs while the cluster cannot be reached.
        """
        self._address = address
        self._here = here
        self._connecting: asyncio.Task[Connected] | None = None
        self._keys = itertools.count(1)

    def warm_up(self) -> None:
        """Connect, so that the first run need not wait for it. Needs an event loop."""
        self._connect().add_done_callback(_report)

    async def start(
        self, spec: RunSpec, deliver: Callable[[Output], None], ended: Callable[[str], None]
    ) -> Worker:
        """Start a run. In the event loop, `deliver` gets each message, and `ended` the cause of its end.

        Where the cluster cannot be reached, a run on the CPU trains here, and says so. Raises `OSError` where
        it does not.
        """
        trains = spec.sweep is None and not spec.take and not spec.measure
        asides = ASIDES if trains else 0
        later = replace(spec, first_seq=spec.first_seq + asides)
        try:
            connected = await asyncio.shield(self._connect())
            await connected.check()
            listener = Listener(deliver, ended, spec.first_seq, asides)
            return connected.start(next(self._keys), later, listener)
        except OSError as error:
            if self._here is None or spec.device != "cpu":
                raise
            logger.warning("%s; a run trains on this machine", error)
        if trains:
            step = spec.replay.until if spec.replay else 0
            told = Diagnosis(seq=spec.first_seq, step=step, code="not-on-cluster", params={})
            deliver(Event(spec.first_seq, step, told.model_dump(mode="json")))
        return await self._here.start(later, deliver, ended)

    async def room(self, device: str, cores: int = 1) -> Room:
        """A worker for each `cores` free CPUs, or each free GPU where that is the device; but beside the
        first, for half of them only, so that runs that are started meanwhile find a place.
        """
        free = 0
        with contextlib.suppress(OSError):  # what `start` says of a lost cluster holds for a sweep, too
            connected = await asyncio.shield(self._connect())
            on_gpu = kind_of(device) == "cuda"
            free = await connected.free(next(self._keys), "GPU" if on_gpu else "CPU")
            free //= 1 if on_gpu else cores
        return Room(1 + free // 2, BEGINNING)

    def close(self) -> None:
        """End the connection, and so every actor; what else starts runs lets go, too."""
        if self._here is not None:
            self._here.close()
        if (task := self._connecting) is None:
            return
        if not task.done():
            task.cancel()
        elif not task.cancelled() and task.exception() is None:
            task.result().close()

    def _connect(self) -> asyncio.Task[Connected]:
        task = self._connecting
        if task is None or (task.done() and (task.exception() or task.result().gone)):
            task = self._connecting = asyncio.create_task(connect(self._address))
        return task


async def connect(address: str) -> Connected:
    """Start the process that knows Ray. Raises `OSError` with a sentence where the cluster takes none."""
    if importlib.util.find_spec("ray") is None:
        raise OSError("Ray is not installed; install descent-playground[ray]")
    named = f"the Ray cluster at {address}" if address else "the Ray cluster"
    if address and not await listening(address):
        raise OSError(f"{named} cannot be reached (setting RAY_ADDRESS): nothing listens there")
    process, outputs, commands = await asyncio.to_thread(_spawn, address)
    way = await PipeCommands.over(commands) if forks.FORKS else ThreadCommands(commands)
    connected = Connected(process, way)
    threading.Thread(target=connected.follow, args=(outputs,), name="ray", daemon=True).start()
    try:
        await asyncio.wait_for(asyncio.shield(connected.answered), CONNECTED_WITHIN)
    except TimeoutError:
        connected.close()
        raise OSError(f"{named} did not answer within {CONNECTED_WITHIN:g} s (setting RAY_ADDRESS)") from None
    if connected.gone:
        raise OSError(f"{named} cannot be reached (setting RAY_ADDRESS): {connected.gone}")
    return connected


class Connected:
    """The process that knows Ray, seen from the server."""

    def __init__(self, process: BaseProcess, commands: Commands) -> None:
        self.gone = ""  # why, once it is
        self.head = ""  # its address, once it has answered
        self._loop = asyncio.get_running_loop()
        self.answered = self._loop.create_future()
        self._process = process
        self._commands = commands
        self._runs: dict[int, Listener] = {}
        self._asked: dict[int, asyncio.Future[int]] = {}

    async def free(self, key: int, resource: str) -> int:
        """How many of the cluster's CPUs or GPUs are free. Raises `OSError` where the cluster was lost."""
        if self.gone:
            raise OSError(self.gone)
        answer = self._asked[key] = self._loop.create_future()
        self._tell("free", key, resource)
        free: int = await answer
        return free

    async def check(self) -> None:
        """Raises `OSError` where the head was lost and the process that knows Ray has yet to notice."""
        if not await listening(self.head, HEAD_WITHIN):
            raise OSError(self.gone or f"the head of the Ray cluster, {self.head}, is gone")

    def start(self, key: int, spec: RunSpec, listener: Listener) -> RayWorker:
        """Have an actor made. Raises `OSError` where the cluster was just lost."""
        if self.gone:
            raise OSError(self.gone)
        self._runs[key] = listener
        on_gpu = kind_of(spec.device) == "cuda"
        spec = replace(spec, device="cuda") if on_gpu else spec  # an actor sees no GPU but its own
        order = driver.Order(pickle.dumps(spec), spec.cores, int(on_gpu), shares=spec.paused and not on_gpu)
        self._tell("start", key, order)
        return RayWorker(lambda kind, content=None: self._tell(kind, key, content))

    def close(self) -> None:
        """End the process, and so its actors."""
        self._process.kill()
        self._commands.close()

    def follow(self, outputs: Connection) -> None:
        """Read what the process says until it ends; in a thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server is ending
            with outputs, contextlib.suppress(EOFError, OSError):
                while True:
                    kind, key, content = outputs.recv()
                    if kind == "said":
                        content = [pickle.loads(one) for one in content]
                    self._loop.call_soon_threadsafe(self._heard, kind, key, content)
            self._loop.call_soon_threadsafe(self._ended, cause_of(self._process))

    def _tell(self, kind: str, key: int, content: object = None) -> None:
        self._commands.send(pickle.dumps((kind, key, content)))

    def _heard(self, kind: str, key: int, content: Any) -> None:
        if kind in ("connected", "refused"):
            self.gone = content if kind == "refused" else ""
            self.head = content if kind == "connected" else self.head
            if not self.answered.done():
                self.answered.set_result(None)
        elif kind == "free":
            if not (answer := self._asked.pop(key)).done():
                answer.set_result(content)
        elif kind in ("failed", "interrupted"):
            listener = self._runs.pop(key)
            listener.ended(Interruption(content) if kind == "interrupted" else content)
        elif kind == "unplaced":
            listener = self._runs[key]
            if listener.asides:
                listener.asides -= 1
                listener.deliver(Unplaced(listener.first_seq - 1, 0, content))
        else:
            listener = self._runs[key]
            for output in content:
                listener.deliver(output)
                if isinstance(output, Event) and output.event["type"] == "state":
                    holds = output.event["status"] == "running"
                    if holds != listener.holds:
                        listener.holds = holds
                        self._tell("hold", key, holds)

    def _ended(self, cause: str) -> None:
        self._commands.close()
        self.gone = self.gone or f"the connection to the Ray cluster was lost ({cause})"
        if not self.answered.done():
            self.answered.set_result(None)
        for listener in self._runs.values():
            listener.ended(Interruption(self.gone))
        self._runs.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(OSError(self.gone))
        self._asked.clear()


def _spawn(address: str) -> tuple[BaseProcess, Connection, Connection]:
    """The process, the pipe with what it says, and the pipe to it."""
    context = multiprocessing.get_context("spawn")  # Ray is not to be forked, and torch is not needed
    its_commands, commands = context.Pipe(duplex=False)
    outputs, its_outputs = context.Pipe(duplex=False)
    process = context.Process(
        target=driver.main, args=(its_commands, its_outputs, address), name="ray", daemon=True
    )
    with its_commands, its_outputs, reaping:
        process.start()
    return process, outputs, commands


def _report(connecting: asyncio.Task[Connected]) -> None:
    if not connecting.cancelled() and (error := connecting.exception()) is not None:
        logger.error("%s", error)
