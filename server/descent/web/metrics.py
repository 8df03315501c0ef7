"""What the server does, in numbers: for Prometheus, `/metrics`, and for the teacher's page."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from pydantic import BaseModel

from descent.protocol import STATUSES, Status
from descent.runs.manager import RunManager
from descent.web.counts import delay, latest, refused
from descent.web.door import TEACHER

BEAT = 0.5  # seconds between two looks at how late the event loop is
BEGUN = time.monotonic()
MOST_CAUSES = 8  # that are told with how often they were

disable_created_metrics()  # type: ignore[no-untyped-call]
router = APIRouter(tags=["server"])


class Refusals(BaseModel):
    """How often something was refused for one reason."""

    code: str
    times: int


class ServerNumbers(BaseModel):
    """What the server does now.

    `statuses`: runs in memory; `people_training`: those with one that trains or is queued. `steps`: taken by
    all runs since the server began, `uptime` seconds ago. `late`: by how many seconds the event loop came too
    late, at worst in the last minute. `recorded_mb`, of `store_mb`: None before it is known.
    """

    statuses: dict[Status, int]
    slots: int
    people_training: int
    viewers: int
    steps: int
    uptime: float
    late: float
    recorded_mb: float | None
    store_mb: int
    refused: list[Refusals]


def numbers_of(manager: RunManager) -> ServerNumbers:
    """The numbers of a server, as they are now."""
    runs = list(manager.runs.values())
    found = Counter(run.status for run in runs)
    size = manager.recorded_bytes
    why = Counter(
        {sample.labels["code"]: int(sample.value) for sample in samples_of(refused) if sample.value}
    )
    return ServerNumbers(
        statuses={status: found[status] for status in STATUSES},
        slots=manager.settings.max_running,
        people_training=len({run.owner for run in runs if run.status in ("running", "queued")}),
        viewers=sum(len(run.channel.viewers) for run in runs),
        steps=manager.sessions.steps,
        uptime=time.monotonic() - BEGUN,
        late=max(latest, default=0.0),
        recorded_mb=None if size is None else size / 1e6,
        store_mb=manager.settings.store_mb,
        refused=[Refusals(code=code, times=times) for code, times in why.most_common(MOST_CAUSES)],
    )


def samples_of(counter: Collector) -> Iterator[Sample]:
    """What a counter has counted, by its labels."""
    for family in counter.collect():
        yield from (sample for sample in family.samples if sample.name.endswith("_total"))


class Runs(Collector):
    """The numbers of a manager's runs, as they are when they are asked for."""

    def __init__(self, manager: RunManager) -> None:
        self._manager = manager

    def collect(self) -> Iterator[Metric]:
        """Read them."""
        now = numbers_of(self._manager)
        by_status = GaugeMetricFamily("descent_runs", "Runs in memory, by status", labels=["status"])
        for status, runs in now.statuses.items():
            by_status.add_metric([status], runs)
        yield by_status
        yield GaugeMetricFamily(
            "descent_people_training", "People with a run that trains or is queued", now.people_training
        )
        yield GaugeMetricFamily("descent_viewers", "Viewers of all runs", now.viewers)
        yield CounterMetricFamily(
            "descent_steps", "Steps that runs have taken since the server began", now.steps
        )
        if self._manager.recorded_bytes is not None:
            yield GaugeMetricFamily(
                "descent_recorded_bytes",
                "What is recorded of all runs, compressed, a minute ago",
                self._manager.recorded_bytes,
            )


def registry_of(manager: RunManager) -> CollectorRegistry:
    """Everything that is told of a server."""
    registry = CollectorRegistry()
    for one in (Runs(manager), refused, delay):
        registry.register(one)
    return registry


async def watch_delay() -> None:
    """Note again and again how late the event loop is."""
    while True:
        due = time.perf_counter() + BEAT
        await asyncio.sleep(BEAT)
        late = max(0.0, time.perf_counter() - due)
        delay.observe(late)
        latest.append(late)


@router.get("/metrics", dependencies=[TEACHER], include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    registry: CollectorRegistry = request.app.state.metrics
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/server", dependencies=[TEACHER])
async def server(request: Request) -> ServerNumbers:
    """What the server does now."""
    return numbers_of(request.app.state.manager)
