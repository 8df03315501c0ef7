"""One run on the server: its record, its status, its worker."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import torch

from descent import __version__
from descent.contract import STREAMS
from descent.contract.entry import Entry
from descent.engine.borrowed import Borrowed
from descent.engine.messages import Plan, Replay, Reply
from descent.errors import BadKnob, CodeChanged, OwnLoop
from descent.protocol import ENDED, RunInfo, Status
from descent.runs.channel import Channel
from descent.runs.choices import Choice
from descent.store.schema import RunRow
from descent.workers.executor import Worker

_ENDINGS: frozenset[Status] = ENDED
CODE = "code"  # key in the environment: a digest of the file, of an experiment of one's own
IMPORTED = "imported"  # key in the environment of an imported run and its branches: the id in the file
RESUMABLE: frozenset[Status] = frozenset({"interrupted", "failed", "stopped"})
NEXT: Mapping[Status, frozenset[Status]] = {
    "queued": frozenset({"starting", "running", "paused", *_ENDINGS}),
    "starting": frozenset({"running", "paused", *_ENDINGS}),
    "running": frozenset({"running", "paused", *_ENDINGS}),
    "paused": frozenset({"paused", "running", "queued", *_ENDINGS}),
    **{status: frozenset({"queued", "starting"}) for status in RESUMABLE},
}


def now() -> str:
    """The time: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()


class IllegalTransition(Exception):
    """A status that cannot follow the one before it: a defect of the server."""


@dataclass(eq=False)
class Run:
    """One training of an experiment. `built_with`: the knobs its model is built with; `began_with`: those
    at its first own step; `knobs`: the present ones.
    """

    id: str
    entry: Entry
    knobs: dict[str, Any]
    built_with: dict[str, Any]
    began_with: dict[str, Any]
    seed: int
    device: str
    channel: Channel
    among: tuple[str, ...] = ()  # devices of which the faster one is found before it begins
    choice: Choice | None = None  # what was found, not said yet
    streams: int = STREAMS
    max_steps: int | None = None
    pace: float | None = None
    steps_per_epoch: float | None = None
    start_paused: bool = False
    status: Status = "queued"
    reason: str = ""
    step: int = 0
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    name: str = ""
    starred: bool = False
    tags: list[str] = field(default_factory=list)
    owner: str = ""  # the id of whose it is; empty on a server that asks nobody
    shared: bool = False  # everybody may watch it
    parent: str | None = None
    branched_at: int | None = None
    branch_changes: dict[str, Any] | None = None  # {knob: {"before": …, "after": …}}
    imported: str = ""  # the id in the imported file, of this run or the one it branched from
    borrowed: Mapping[str, Borrowed] = field(default_factory=dict)  # by the run it was taken of
    plan: Plan = field(default_factory=Plan)  # what it does by itself; until this server ends
    replay: Replay | None = None  # how the next worker restores the run's state
    recorded: RunRow | None = None  # as it is in the store
    worker: Worker | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)  # its worker takes commands, or it ended
    knob_log: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    replies: dict[int, asyncio.Future[Reply]] = field(default_factory=dict)
    watching: tuple[tuple[str, ...], float] = ((), 30.0)  # panels and frames/s last sent to the worker
    unwatched_since: float = field(default_factory=time.monotonic)
    ever_watched: bool = False
    viewed: bool = False  # it was made to be watched
    lost: bool = False  # its worker ended without a word
    refused: BadKnob | None = None  # the knob's value because of which it failed
    declared: dict[str, Any] | None = None  # of a run that trains in a script of its own; see `RunRow`
    told: int = 0  # the step from which on such a script has told no scalars yet
    kept: tuple[int, ...] = ()  # the steps whose states such a script keeps

    @property
    def ended(self) -> bool:
        """Whether the run's life is over."""
        return self.status in ENDED

    @property
    def own_loop(self) -> bool:
        """Whether its steps are taken by someone's own training loop, in a process that is not ours."""
        return self.declared is not None

    def need_experiment(self) -> None:
        """Raises `OwnLoop` for a run whose state cannot be built here."""
        if self.own_loop:
            raise OwnLoop(
                "this run trains in a script of its own, so Descent cannot branch it, sweep it, write it as "
                "a file to train from or save its weights; its scalars can be saved",
                "run",
            )

    @property
    def watched(self) -> bool:
        """Whether someone has one of its panels on screen."""
        return bool(self.channel.watched()[0])

    def become(self, status: Status, reason: str = "") -> None:
        """Change the status. Raises `IllegalTransition` unless `NEXT` allows it."""
        if status not in NEXT.get(self.status, frozenset()):
            raise IllegalTransition(f"run {self.id}: {self.status} → {status}")
        self.status = status
        self.reason = reason

    def fits(
        self,
        *,
        experiment: str = "",
        search: str = "",
        starred: bool = False,
        tag: str = "",
        titled: Sequence[str] = (),
        seen_by: str | None = None,
    ) -> bool:
        """Whether a search for these finds the run; see `Store.runs`."""
        texts = (self.name, self.id, self.entry.id, *self.tags)
        return (
            experiment in ("", self.entry.id)
            and (any(search.lower() in text.lower() for text in texts) or self.entry.id in titled)
            and (self.starred or not starred)
            and (seen_by is None or self.shared or self.owner == seen_by)
            and (not tag or tag.lower() in (one.lower() for one in self.tags))
        )

    def info(self) -> RunInfo:
        """The run as clients see it."""
        shown = {name: getattr(self, name) for name in RunInfo.model_fields if hasattr(self, name)}
        recorded = recorded_of(self.recorded) if self.recorded else {}
        return RunInfo(**{**shown, **recorded, "experiment": self.entry.id, "imported": bool(self.imported)})

    def row(self) -> RunRow:
        """The run as the store keeps it."""
        columns = RunRow.__table__.columns.keys()
        own = {name: getattr(self, name) for name in columns if hasattr(self, name)}
        came = {IMPORTED: self.imported} if self.imported else {}
        if self.entry.code is not None:
            came[CODE] = self.entry.code.digest
        own |= {"experiment": self.entry.id, "environment": environment() | came}
        if self.recorded is not None:  # keeps the `environment` it began in
            own |= {name: getattr(self.recorded, name) for name in columns if not hasattr(self, name)}
        return RunRow(**own)


def info_of(row: RunRow) -> RunInfo:
    """A run that is only in the store, as clients see it."""
    shown = {name: getattr(row, name) for name in RunInfo.model_fields if hasattr(row, name)}
    return RunInfo(**{**shown, **recorded_of(row)})


def recorded_of(row: RunRow) -> dict[str, Any]:
    """The recorded row's fields that clients see."""
    return {
        "latest": row.latest,
        "frames_thinned": row.frames_thinned,
        "checkpoints_thinned": row.checkpoints_thinned,
        "scalars_exact_from": row.scalars_exact_from,
        "recorded_bytes": row.frame_bytes + row.checkpoint_bytes + row.scalar_bytes,
    }


def need_code(entry: Entry, row: RunRow) -> None:
    """Raises `CodeChanged` where the file of the experiment is not what trained the recorded run."""
    if row.environment.get(CODE) != (entry.code.digest if entry.code else None):
        file = entry.code.shown if entry.code else entry.id
        raise CodeChanged(
            f"{file} is not what it was when run {row.id} was made, so the run can be looked at, but not go "
            "on from its record, nor be written as a script; begin a new run, or put the file back as it was",
            "run",
            file=file,
        )


@cache
def environment() -> dict[str, str]:
    """Versions of the software that trains runs here, by name."""
    return {
        "descent": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }
