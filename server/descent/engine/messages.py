"""What a run's worker and its executor say to each other. Never seen by a client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class RunSpec:
    """All a worker needs to know to train one run."""

    run: str
    experiment: str
    knobs: Mapping[str, Any]
    seed: int
    device: str  # "cpu" or "cuda"
    paused: bool = False
    max_steps: int | None = None
    pace: float | None = None
    probe_budget: float = 0.05
    first_seq: int = 1  # of the worker's first message
    data: str | None = None  # folder with data sets
    watch: tuple[str, ...] = ()
    max_fps: float = 30.0


ControlName = Literal["watch", "knobs", "pause", "resume", "step", "pace", "stop", "say"]


@dataclass(frozen=True)
class Control:
    """A command for the engine: `name` is a command's `type`, or `say` to announce a status that the
    server decided. `reply_to` asks for an answer.
    """

    name: ControlName
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reply_to: int | None = None


@dataclass(frozen=True)
class Output:
    """Something the engine says.

    `kind`: `scalars` and `panel` carry an encoded frame, `event` a JSON-ready mapping, `reply` the answer
    to a control, with the reason if it was refused. Scalars and events are durable, of pictures only the
    latest per panel matters.
    """

    kind: Literal["scalars", "panel", "event", "reply"]
    seq: int
    step: int
    payload: bytes = b""
    panel: str = ""
    event: Mapping[str, Any] = field(default_factory=dict)
    reply_to: int | None = None
    refusal: str = ""
