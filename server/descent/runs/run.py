"""One run as the server knows it: its record, its status, its worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from descent.executors.local import LocalWorker
from descent.protocol import ENDED, RunInfo, Status
from descent.registry import Entry
from descent.runs.hub import Channel

_ENDINGS: frozenset[Status] = frozenset({"finished", "stopped", "diverged", "failed"})
NEXT: Mapping[Status, frozenset[Status]] = {
    "queued": frozenset({"starting", "running", "paused", *_ENDINGS}),
    "starting": frozenset({"running", "paused", *_ENDINGS}),
    "running": frozenset({"running", "paused", *_ENDINGS}),
    "paused": frozenset({"paused", "running", "queued", *_ENDINGS}),
}


class IllegalTransition(Exception):
    """A status that cannot follow the one before it: a defect of the server."""


@dataclass(eq=False)
class Run:
    """One training of an experiment."""

    id: str
    entry: Entry
    knobs: dict[str, Any]
    seed: int
    device: str
    channel: Channel
    max_steps: int | None = None
    pace: float | None = None
    steps_per_epoch: float | None = None
    start_paused: bool = False
    status: Status = "queued"
    reason: str = ""
    step: int = 0
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    worker: LocalWorker | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)  # its worker obeys, or it has ended
    knob_log: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    replies: dict[int, asyncio.Future[int]] = field(default_factory=dict)
    watching: tuple[tuple[str, ...], float] = ((), 30.0)  # panels and frames/s, as the worker was told
    unwatched_since: float = field(default_factory=time.monotonic)
    ever_watched: bool = False

    @property
    def ended(self) -> bool:
        """Whether the run's life is over."""
        return self.status in ENDED

    @property
    def watched(self) -> bool:
        """Whether someone has one of its panels on screen."""
        return bool(self.channel.watched()[0])

    def become(self, status: Status, reason: str = "") -> None:
        """Change the status. Raises `IllegalTransition` where the design knows no such way."""
        if status not in NEXT.get(self.status, frozenset()):
            raise IllegalTransition(f"run {self.id}: {self.status} → {status}")
        self.status = status
        self.reason = reason

    def info(self) -> RunInfo:
        """The run as clients see it."""
        return RunInfo(
            id=self.id,
            experiment=self.entry.id,
            status=self.status,
            step=self.step,
            knobs=self.knobs,
            seed=self.seed,
            device=self.device,
            created_at=self.created_at.isoformat(),
            reason=self.reason,
            max_steps=self.max_steps,
            pace=self.pace,
            steps_per_epoch=self.steps_per_epoch,
        )
