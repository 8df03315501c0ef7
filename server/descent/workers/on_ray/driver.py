"""The process that knows Ray: it makes an actor of each run, and passes messages between it and the server.

What the server asks: `("start", key, Order)`, `("send", key, JSON)`, `("hold", key, whether it needs a
CPU)`, `("kill", key, None)`, and `("free", key, resource)`, answered by `("free", key, how many)`. What it is
told: `("connected", 0, address)` or `("refused", 0, sentence)` first; then of each run `("said", key,
messages)`, `("unplaced", key, reason)`, and last `("failed", key, cause)` or `("interrupted", key, cause)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from descent.workers.on_ray import actor
from descent.workers.on_ray.places import Nests, Place, Places, lacking

UNREAD = 8  # batches of an actor's messages that wait here; it sends no more until one is read
MOST_UNSENT = 4 << 20  # bytes of commands that an actor does not take, above which it counts as hung
SILENCE = 7  # seconds without a heartbeat, after which a node is taken to be lost
UNPLACED = 5.0  # seconds until a run is said to have no place: Ray may have to start a process for it
HEAD_EVERY = 1.0  # seconds between two looks at whether the cluster's head is there
HEAD_LOST = 4  # looks in vain


@dataclass(frozen=True)
class Order:
    """A run to start: its pickled `RunSpec`, and what it needs."""

    spec: bytes
    cpus: int
    gpus: int
    shares: bool  # rather than wait for a CPU: it begins paused


class Interrupted(Exception):
    """The run is not to blame: its node is gone."""


def main(commands: Connection, outputs: Connection, address: str) -> None:
    """Serve a server, until it or the cluster's head is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides
    with open(os.devnull, "w") as nowhere:  # Ray prints pages when a node is lost, and has logs of its own
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        import ray

        ray.init(
            address or "auto",
            namespace="descent",
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=True,
        )
    except (Exception, SystemExit) as error:
        outputs.send(("refused", 0, str(error).strip().partition("\n")[0] or type(error).__name__))
        return
    ray.cloudpickle.register_pickle_by_value(actor)
    asyncio.run(Driver(commands, outputs).serve())


class Driver:
    """All runs of one server."""

    def __init__(self, commands: Connection, outputs: Connection) -> None:
        import ray

        self.cls = ray.remote(actor.RunActor)
        self.nests = Nests()
        self.places = Places()
        self.here = actor.installed()
        self._commands = commands
        self._outputs = outputs
        self._runs: dict[int, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Serve until the head is gone."""
        import ray

        head = str(ray.get_runtime_context().gcs_address)
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), daemon=True).start()
        self.tell("connected", 0, head)
        nests = asyncio.create_task(self.nests.keep())
        await _watch(head)
        nests.cancel()
        self.tell("refused", 0, f"the head of the Ray cluster, {head}, is gone")
        os._exit(1)  # Ray would wait for it

    def tell(self, kind: str, key: int, content: object) -> None:
        """Tell the server. Where it does not read, all wait: this process, and so the actors."""
        try:
            self._outputs.send((kind, key, content))
        except OSError:
            _end()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                loop.call_soon_threadsafe(self._heard, *pickle.loads(self._commands.recv_bytes()))
        _end()

    def _heard(self, kind: str, key: int, content: Any) -> None:
        if kind == "start":
            begun = self._runs[key] = Run(self, key, content)
            begun.task = self._begin(self._follow(key, begun))
        elif kind == "free":
            self._begin(self._count(key, content))
        elif run := self._runs.get(key):  # it has not ended meanwhile
            match kind:
                case "send":
                    run.send(content)
                case "hold":
                    run.hold(content)
                case "kill":
                    run.kill()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _count(self, key: int, resource: str) -> None:
        import ray

        free: Mapping[str, float] = await asyncio.to_thread(ray.available_resources)
        self.tell("free", key, int(free.get(resource, 0)))

    async def _follow(self, key: int, run: Run) -> None:
        try:
            cause = await run.follow()
        except Interrupted as error:
            kind, cause = "interrupted", str(error)
        except asyncio.CancelledError:
            kind, cause = "failed", "it was ended before it began"
        except Exception as error:  # Ray's own, which it does not document: the run has to end
            kind, cause = "failed", f"the Ray cluster failed: {_brief(error)}"
        else:
            kind = "failed"
        del self._runs[key]
        run.close()
        self.tell(kind, key, cause)


class Run:
    """One run's actor."""

    def __init__(self, driver: Driver, key: int, order: Order) -> None:
        self._driver = driver
        self._key = key
        self._order = order
        self.task: asyncio.Task[None] | None = None  # that follows it
        self._place = Place(driver.places, order.cpus, order.gpus)
        self._actor: Any = None  # until it has a place
        self._unsent: list[bytes] = []
        self._changed = asyncio.Event()
        self._begun = asyncio.Event()
        self._node = "?"

    def send(self, control: bytes) -> None:
        """Send a command after those before it."""
        self._unsent.append(control)
        self._changed.set()
        if sum(map(len, self._unsent)) > MOST_UNSENT:
            self.kill()

    def hold(self, holds: bool) -> None:
        """Ask for a CPU again, or give it back: it goes on, or pauses."""
        self._place.hold(holds)

    def kill(self) -> None:
        """End the run at once, also one that has no place yet."""
        import ray

        if self._actor is not None:
            ray.kill(self._actor, no_restart=True)
        elif self.task is not None:
            self.task.cancel()

    def close(self) -> None:
        """End the actor, and give back what Ray keeps for the run."""
        import ray

        if self._actor is not None:
            ray.kill(self._actor, no_restart=True)
        self._place.close()

    async def follow(self) -> str:
        """Relay until the actor is gone; returns the cause. Raises `Interrupted`."""
        from ray.exceptions import ActorDiedError, ActorUnavailableError, ActorUnschedulableError, RayError

        sending = asyncio.create_task(self._send())
        try:
            await self._find_place()
            self._node = self._place.node[:8]  # until its address is known
            self._actor = self._driver.cls.options(
                num_cpus=0,
                num_gpus=self._order.gpus,
                max_concurrency=2,
                scheduling_strategy=self._place.strategy(),
            ).remote()
            self._node, there = await self._actor.installed.remote()
            if differs := actor.difference(self._node, there, self._driver.here):
                return differs
            nest = await self._driver.nests.address(self._place.node)
            stream = self._actor.train.options(
                num_returns="streaming", _generator_backpressure_num_objects=UNREAD
            ).remote(self._order.spec, nest)
            self._begun.set()
            while isinstance(said := await self._next(stream), list):
                if said:
                    self._driver.tell("said", self._key, said)
            kind, cause = said
            if kind == "interrupted":
                raise Interrupted(f"the node {self._node} is gone: {cause}")
            return f"{cause} on the node {self._node}"
        except (ActorUnavailableError, ActorUnschedulableError) as error:
            raise Interrupted(f"the node {self._node} cannot be reached") from error
        except ActorDiedError as error:
            if "its node" in str(error):
                raise Interrupted(f"the node {self._node} is gone") from error
            if "low on memory" in str(error):
                return f"Ray ended the worker process, since the node {self._node} ran low on memory"
            return f"the worker process on the node {self._node} was killed, or crashed"
        except RayError as error:
            return f"the worker process on the node {self._node} failed: {_brief(error)}"
        finally:
            sending.cancel()

    async def _next(self, stream: Any) -> list[bytes] | tuple[str, str]:
        """The next batch; how it ended after the last. Raises `Interrupted` where nothing comes."""
        coming = asyncio.ensure_future(_next(stream))
        for _ in range(SILENCE):  # one by one: where this process itself stood still, that counts as one
            if (await asyncio.wait({coming}, timeout=1))[0]:
                return coming.result()
        coming.cancel()
        raise Interrupted(f"the node {self._node} has not answered for {SILENCE} s")

    async def _find_place(self) -> None:
        """Wait for room. Says meanwhile what there is none of; one that need not wait for it shares."""
        told = ""
        while not await self._place.found(UNPLACED):
            if self._order.shares and await self._place.shared():
                return
            reason = await asyncio.to_thread(lacking, self._order.cpus, self._order.gpus)
            if reason not in ("", told):
                told = reason
                self._driver.tell("unplaced", self._key, reason)

    async def _send(self) -> None:
        """Send commands, one call at a time, so that they come in order."""
        from ray.exceptions import RayError

        await self._begun.wait()
        with contextlib.suppress(RayError):  # it is gone, which its messages tell
            while True:
                await self._changed.wait()
                self._changed.clear()
                controls, self._unsent = self._unsent, []
                await self._actor.command.remote(controls)


async def _next(stream: Any) -> list[bytes] | tuple[str, str]:
    """The next batch of a generator's, or the end that it tells of."""
    said: list[bytes] | tuple[str, str] = await (await anext(stream))
    return said


async def listening(address: str, within: float = 5.0) -> bool:
    """Whether something listens at an address, HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, ValueError, TimeoutError):
        return False
    writer.close()
    return True


async def _watch(address: str) -> None:
    """Return when nothing has listened at an address for a while."""
    missed = 0
    while missed < HEAD_LOST:
        missed = 0 if await listening(address, HEAD_EVERY) else missed + 1
        await asyncio.sleep(HEAD_EVERY)


def _brief(error: Exception) -> str:
    """What Ray says, in one line; the end of it names the cause."""
    return " ".join(str(error).split())[-600:]


def _end() -> NoReturn:
    """The server is gone: so are its runs."""
    os._exit(0)
