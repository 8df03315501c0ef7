"""What the server does, in numbers, for Prometheus: `/metrics`."""

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

from descent.protocol import STATUSES
from descent.runs.manager import RunManager
from descent.web.counts import delay, refused
from descent.web.door import TEACHER

BEAT = 0.5  # seconds between two looks at how late the event loop is

disable_created_metrics()  # type: ignore[no-untyped-call]
router = APIRouter(tags=["server"])


class Runs(Collector):
    """The numbers of a manager's runs, as they are when they are asked for."""

    def __init__(self, manager: RunManager) -> None:
        self._manager = manager

    def collect(self) -> Iterator[Metric]:
        """Read them."""
        runs = list(self._manager.runs.values())
        by_status = GaugeMetricFamily("descent_runs", "Runs in memory, by status", labels=["status"])
        found = Counter(run.status for run in runs)
        for status in STATUSES:
            by_status.add_metric([status], found[status])
        yield by_status
        yield GaugeMetricFamily(
            "descent_people_training",
            "People with a run that trains or is queued",
            len({run.owner for run in runs if run.status in ("running", "queued")}),
        )
        yield GaugeMetricFamily(
            "descent_viewers", "Viewers of all runs", sum(len(run.channel.viewers) for run in runs)
        )
        yield CounterMetricFamily(
            "descent_steps", "Steps that runs have taken since the server began", self._manager.sessions.steps
        )
        size = self._manager.recorded_bytes
        if size is not None:
            yield GaugeMetricFamily(
                "descent_recorded_bytes", "What is recorded of all runs, compressed, a minute ago", size
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
        delay.observe(max(0.0, time.perf_counter() - due))


@router.get("/metrics", dependencies=[TEACHER], include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    registry: CollectorRegistry = request.app.state.metrics
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
