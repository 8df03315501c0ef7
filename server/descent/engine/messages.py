"""What a run's worker and its executor say to each other. Never seen by a client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Replay:
    """How a worker becomes what a recorded run was after `until` steps, bit for bit on one CPU thread.

    It puts the checkpoint back, taken after `step` steps with these `knobs`, or begins anew where there is
    none; then it steps on, making the recorded `changes` of knobs where they were made; then it sets
    `override`, which is what a branch does differently. `origin`, if there is one, takes the checkpoint's
    place: the knobs that the run was built with until then, and how to get there. What it was then is put
    into what the present knobs build.
    """

    until: int
    knobs: Mapping[str, Any]
    step: int = 0
    checkpoint: bytes | None = None
    changes: Sequence[tuple[int, Mapping[str, Any]]] = ()
    override: Mapping[str, Any] = field(default_factory=dict)
    origin: tuple[Mapping[str, Any], Replay] | None = None


@dataclass(frozen=True)
class Variant:
    """One way to go on: live knobs set to these values; `order` 0 is the run's own order of mini-batches and
    noise, each other number another one.
    """

    knobs: Mapping[str, Any]
    order: int = 0


@dataclass(frozen=True)
class SweepSpec:
    """So many steps from where a run is, once for each variant. `knob`: the one whose effect is looked at.

    `most_bytes`: what the variants' states may take together.
    """

    knob: str
    variants: Sequence[Variant]
    steps: int
    most_bytes: int


@dataclass(frozen=True)
class RunSpec:
    """All a worker needs to know to train one run. `knobs`: what its model is built with."""

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
    record_budget: float = 0.0  # share of its time for pictures nobody watches, and as much for checkpoints
    replay: Replay | None = None
    sweep: SweepSpec | None = None  # instead of training


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

    `kind`: `scalars` and `panel` carry an encoded frame, `checkpoint` a checkpoint and in `event` the knobs
    as they are, `event` a JSON-ready mapping, `reply` the answer to a control, with the reason if it was
    refused. Scalars and events are durable, of pictures and checkpoints only the latest matters.
    """

    kind: Literal["scalars", "panel", "checkpoint", "event", "reply"]
    seq: int
    step: int
    payload: bytes = b""
    panel: str = ""
    event: Mapping[str, Any] = field(default_factory=dict)
    reply_to: int | None = None
    refusal: str = ""
