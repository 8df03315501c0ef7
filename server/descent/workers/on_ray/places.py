"""Where runs are on the cluster: what Ray keeps for each, and each node's process of which they are forks."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from descent.workers.on_ray import actor

NODES_EVERY = 5.0  # seconds between two looks for nodes that have joined
WAITING = 64  # runs that are told at once that there is room; MAX_LIVE is half of it by default
NODE_ID = "ray.io/node-id"  # the label that Ray gives each node


class Places:
    """What Ray keeps for the runs of a server. They are asked for in a thread, one by one."""

    def __init__(self) -> None:
        self.requests = ThreadPoolExecutor(1, "requests")
        self.waiting = ThreadPoolExecutor(WAITING, "waiting")


class Place:
    """What Ray keeps for a run: its CPUs while it trains, its GPUs for as long as there is its actor.

    The actor itself asks for no CPU. So a run that pauses gives its CPUs back; when it goes on, it asks for
    those of its node again, and shares those of others until they are free.
    """

    def __init__(self, places: Places, cpus: int, gpus: int) -> None:
        self._places = places
        self._cpus = cpus
        self._gpus = gpus
        self._group: Any = None
        self.node = ""  # its id, once it has one

    def hold(self, holds: bool) -> None:
        """Ask for a CPU, or give it back. One with GPUs keeps it: a place that has them has it, too."""
        if not self._gpus:
            self._places.requests.submit(self._ask if holds else self._give_back)

    async def found(self, within: float) -> bool:
        """Whether there is room within so many seconds; the first call asks for it."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._places.requests, self._ask)
        if not await loop.run_in_executor(self._places.waiting, self._group.wait, within):
            return False
        self.node = await loop.run_in_executor(self._places.requests, self._node_of_group)
        return bool(self.node)

    async def shared(self) -> bool:
        """Take any node on which runs train, without a CPU of its own. Whether there is one."""
        nodes = await asyncio.to_thread(training)
        self.node = random.choice(nodes) if nodes else ""
        return bool(self.node)

    def strategy(self) -> Any:
        """Where Ray is to start the actor."""
        from ray.util.scheduling_strategies import (
            NodeAffinitySchedulingStrategy,
            PlacementGroupSchedulingStrategy,
        )

        if self._gpus:
            return PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=0)
        return NodeAffinitySchedulingStrategy(self.node, soft=False)

    def close(self) -> None:
        """Give everything back."""
        self._places.requests.submit(self._give_back)

    def _ask(self) -> None:
        from ray.util.placement_group import placement_group

        if self._group is None:
            needs = {"CPU": self._cpus} | ({"GPU": self._gpus} if self._gpus else {})
            there = [{NODE_ID: self.node}] if self.node else None
            self._group = placement_group([needs], bundle_label_selector=there)

    def _give_back(self) -> None:
        from ray.util.placement_group import remove_placement_group

        if self._group is not None:
            remove_placement_group(self._group)
            self._group = None

    def _node_of_group(self) -> str:
        from ray.util.placement_group import placement_group_table

        return str(placement_group_table(self._group)["bundles_to_node_id"].get(0, ""))


class Nests:
    """On each node the process of which runs are forks, started before a run comes."""

    def __init__(self) -> None:
        import ray

        self._cls = ray.remote(actor.NestActor)
        self._nests: dict[str, Any] = {}

    async def keep(self) -> None:
        """Have one on each node on which runs can train, also on those that join later."""
        while True:
            for node in await asyncio.to_thread(training):
                self._of(node)
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


def training() -> list[str]:
    """The ids of the nodes on which runs can train."""
    import ray

    return [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def lacking(cpus: int, gpus: int) -> str:
    """What a run that found no place with so much waits for; nothing if there is enough of all."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    free = ray.available_resources()
    for name, need in (("GPU", gpus), ("CPU", cpus)):
        if max((node.get(name, 0) for node in nodes), default=0) < need:
            return f"no-{name.lower()}"
        if free.get(name, 0) < need:
            return f"{name.lower()}s-taken"
    return "cpus-taken" if cpus > 1 else ""  # free ones of several nodes are no place
