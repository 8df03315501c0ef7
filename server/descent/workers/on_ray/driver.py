"""The process that knows Ray: it makes an actor of each run, and passes messages between it and the server.

What the server asks: `("start", key, Order)`, `("send", key, JSON)`, `("kill", key, None)`, and
`("free", key, resource)`, answered by `("free", key, how many)`. What it is told:
`("connected", 0, address)` or `("refused", 0, sentence)` first; then of each run `("said", key, messages)`,
`("unplaced", key, reason)`, and last `("failed", key, cause)` or `("interrupted", key, cause)`.
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

UNREAD = 8  # batches of an actor's messages that wait here; it sends no more until one is read
MOST_UNSENT = 4 << 20  # bytes of commands that an actor does not take, above which it counts as hung
SILENCE = 7  # seconds without a heartbeat, after which a node is taken to be lost
UNPLACED = 5.0  # seconds until a run is said to have no place: Ray may have to start a process for it
HEAD_EVERY = 1.0  # seconds between two looks at whether the cluster's head is there
HEAD_LOST = 4  # looks in vain
NODES_EVERY = 5.0  # seconds between two looks for nodes that have joined


@dataclass(frozen=True)
class Order:
    """A run to start: its pickled `RunSpec`, and what it needs."""

    spec: bytes
    gpus: int


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
            self._runs[key] = Run(self, key, content)
            self._begin(self._follow(key, self._runs[key]))
        elif kind == "free":
            self._begin(self._count(key, content))
        elif run := self._runs.get(key):  # it has not ended meanwhile
            run.send(content) if kind == "send" else run.kill()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _count(self, key: int, resource: str) -> None:
        import ray

        free: Mapping[str, float] = await asyncio.to_thread(ray.available_resources)
        self.tell("free", key, int(free.get(resource, 0)))

    async def _follow(self, key: int, run: Run) -> None:
        try:
            cause = await run.follow()
        except Interrupted as error:
            kind, cause = "interrupted", str(error)
        else:
            kind = "failed"
        del self._runs[key]
        run.kill()
        self.tell(kind, key, cause)


class Nests:
    """On each node the process of which runs are forks, started before a run comes."""

    def __init__(self) -> None:
        import ray

        self._cls = ray.remote(actor.NestActor)
        self._nests: dict[str, Any] = {}

    async def keep(self) -> None:
        """Have one on each node on which runs can train, also on those that join later."""
        import ray

        while True:
            for node in await asyncio.to_thread(ray.nodes):
                if node["Alive"] and node["Resources"].get("CPU"):
                    self._of(node["NodeID"])
            await asyncio.sleep(NODES_EVERY)

    async def address(self, node: str) -> str:
        """Where that of a node listens. Raises `RayError` where the node is gone, or it cannot start."""
        found: str = await self._of(node).address.remote()
        return found

    def _of(self, node: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if node not in self._nests:
            self._nests[node] = self._cls.options(
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=-1,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            ).remote()
            self._nests[node].address.remote()
        return self._nests[node]


class Run:
    """One run's actor."""

    def __init__(self, driver: Driver, key: int, order: Order) -> None:
        self._driver = driver
        self._key = key
        self._order = order
        self._actor = driver.cls.options(num_cpus=1, num_gpus=order.gpus, max_concurrency=2).remote()
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

    def kill(self) -> None:
        """End the actor at once, also one that has no place yet."""
        import ray

        ray.kill(self._actor, no_restart=True)

    async def follow(self) -> str:
        """Relay until the actor is gone; returns the cause. Raises `Interrupted`."""
        from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError

        sending = asyncio.create_task(self._send())
        try:
            self._node, node, there = await self._placed()
            if differs := actor.difference(self._node, there, self._driver.here):
                return differs
            nest = await self._driver.nests.address(node)
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
        except ActorUnavailableError as error:
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

    async def _placed(self) -> tuple[str, str, Mapping[str, str]]:
        """The node's address and id, and what is installed there. Says meanwhile what the cluster has no room
        for.
        """
        placed = asyncio.wrap_future(self._actor.installed.remote().future())
        told = ""
        while not (await asyncio.wait({placed}, timeout=UNPLACED))[0]:
            reason = await asyncio.to_thread(lacking, self._order.gpus)
            if reason not in ("", told):
                told = reason
                self._driver.tell("unplaced", self._key, reason)
        found: tuple[str, str, Mapping[str, str]] = placed.result()
        return found

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


def lacking(gpus: int) -> str:
    """What a run that needs so many GPUs waits for; nothing if there is enough of all."""
    import ray

    have, free = ray.cluster_resources(), ray.available_resources()
    for name, need in (("GPU", gpus), ("CPU", 1)):
        if have.get(name, 0) < need:
            return f"no-{name.lower()}"
        if free.get(name, 0) < need:
            return f"{name.lower()}s-taken"
    return ""


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
