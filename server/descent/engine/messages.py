"""Messages between a run's worker and its executor. Never seen by a client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from descent.contract import STREAMS
from descent.contract.entry import Code
from descent.engine.borrowed import Borrowed
from descent.errors import BadKnob


@dataclass(frozen=True)
class Replay:
    """The way to a recorded run's state after `until` steps, bit for bit on one CPU thread.

    1. Build with the present knobs.
    2. Load `checkpoint`, taken after `step` steps with `knobs`. Where there is an `origin` (the knobs the run
       was built with before, and how to get there), replay that first and load its state instead.
    3. Step on to `until`, applying the recorded `changes` at their steps.
    4. Apply `override`, which is what a branch does differently.
    """

    until: int
    knobs: Mapping[str, Any]
    step: int = 0
    checkpoint: bytes | None = None
    changes: Sequence[tuple[int, Mapping[str, Any]]] = ()
    override: Mapping[str, Any] = field(default_factory=dict)
    origin: tuple[Mapping[str, Any], Replay] | None = None


@dataclass(frozen=True)
class Plan:
    """What a new run does by itself: `changes` of live knobs, each after so many steps, in order; and up to
    `until` steps it trains as fast as it goes. There it pauses (`pause`), or goes on at its pace.
    """

    changes: Sequence[tuple[int, Mapping[str, Any]]] = ()
    until: int = 0
    pause: bool = False


@dataclass(frozen=True)
class Variant:
    """One way to go on: live knobs set to these values; `order` 0 is the run's own order of mini-batches and
    noise, each other number another one.
    """

    knobs: Mapping[str, Any]
    order: int = 0


@dataclass(frozen=True)
class SweepSpec:
    """A number of steps from a run's state, for each variant. `knob`: the one whose effect is examined.

    `most_bytes`: limit for the variants' states together. `workers`: among how many they may be divided, the
    first included; a further one trains after so many seconds (`beginning`). `series`: what the first found
    to plot, for a further one, whose variants are its share alone.
    """

    knob: str
    variants: Sequence[Variant]
    steps: int
    most_bytes: int
    workers: int = 1
    beginning: float = 0.0
    series: Sequence[str] = ()


@dataclass(frozen=True)
class RunSpec:
    """Everything a worker needs to train one run. `knobs`: those its model is built with."""

    run: str
    experiment: str
    knobs: Mapping[str, Any]
    seed: int
    device: str  # see engine/device.py
    code: Code | None = None  # of an experiment of one's own
    streams: int = STREAMS
    paused: bool = False
    max_steps: int | None = None
    pace: float | None = None
    opening: float = 0.0  # seconds of a slow beginning
    probe_budget: float = 0.05
    first_seq: int = 1  # of the worker's first message
    data: tuple[str, ...] = ()  # folders with data sets
    cores: int = 1  # see `Experiment.cores`
    memory_mb: int = 0  # MiB it may take of the machine; 0: three quarters of them
    watch: tuple[str, ...] = ()
    max_fps: float = 30.0
    record_budget: float = 0.0  # share of time for unwatched pictures, and as much again for checkpoints
    borrowed: Mapping[str, Borrowed] = field(default_factory=dict)  # by the id of the run it was taken of
    replay: Replay | None = None
    plan: Plan = field(default_factory=Plan)
    sweep: SweepSpec | None = None  # instead of training
    take: Literal["", "weights", "onnx"] = ""  # what to take where `replay` leads to, instead of training
    measure: bool = False  # how fast it trains on its device, instead of training


ControlName = Literal["watch", "knobs", "pause", "resume", "step", "pace", "stop", "say", "keep", "back"]


@dataclass(frozen=True)
class Control:
    """A command for the engine: `name` is a command's `type`, or `say` to announce a status that the
    server decided; `keep` and `back` are for a script's own loop. `reply_to` asks for an answer.
    """

    name: ControlName
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reply_to: int | None = None


@dataclass(frozen=True)
class ScalarsFrame:
    """An encoded batch of scalars, the last of step `step`. Durable."""

    seq: int
    step: int
    payload: bytes


@dataclass(frozen=True)
class PanelFrame:
    """An encoded picture. Of each panel only the latest matters."""

    seq: int
    step: int
    panel: str
    payload: bytes


@dataclass(frozen=True)
class CheckpointTaken:
    """A checkpoint to continue from `step`, with the knobs of then. Only the latest matters."""

    seq: int
    step: int
    knobs: Mapping[str, Any]
    payload: bytes


@dataclass(frozen=True)
class Event:
    """One of `protocol.Event`, JSON-ready. Durable."""

    seq: int
    step: int
    event: Mapping[str, Any]


@dataclass(frozen=True)
class LookChanged:
    """The present look knobs; no part of a replay."""

    seq: int  # of the message before
    step: int
    knobs: Mapping[str, Any]


@dataclass(frozen=True)
class Applied:
    """Knobs were set and hold from `step` on. `changed`: those that were set; `knobs`: all, as they are."""

    step: int
    changed: Mapping[str, Any]
    knobs: Mapping[str, Any]


@dataclass(frozen=True)
class Refused:
    """A knob cannot have this value. `params`: the reason's code, and the values in `detail`."""

    knob: str
    detail: str
    params: Mapping[str, Any]

    def error(self) -> BadKnob:
        """The error that a client gets."""
        return BadKnob(self.detail, self.knob, **self.params)


@dataclass(frozen=True)
class Reply:
    """The answer to a control, applied at `step`; `answer`: the result of setting knobs."""

    seq: int  # of the message before
    step: int
    reply_to: int
    answer: Applied | Refused | None = None


@dataclass(frozen=True)
class SweepFrame:
    """An encoded frame of a sweep; nothing comes after the `final` one."""

    seq: int
    step: int
    payload: bytes
    final: bool


@dataclass(frozen=True)
class SweepDivided:
    """Variants that this worker leaves to others: by worker, their places among all. What it tells of them
    from now on says nothing. `series`: of all curves.
    """

    seq: int
    step: int
    series: Sequence[str]
    shares: Sequence[Sequence[int]]


@dataclass(frozen=True)
class SweepRefused:
    """A sweep ended before its first frame; `problem` is what a client gets."""

    seq: int
    step: int
    problem: Mapping[str, Any]


@dataclass(frozen=True)
class Unplaced:
    """Nothing has room for the run yet; `reason` is the code of what is missing."""

    seq: int  # of the message before
    step: int
    reason: str


@dataclass(frozen=True)
class Taken:
    """What was asked for of a run's state at `step`; nothing comes after it."""

    seq: int
    step: int
    payload: bytes


@dataclass(frozen=True)
class NotTaken:
    """Why it cannot be had; `problem` is what a client gets."""

    seq: int
    step: int
    problem: Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """The steps per second on a device; nothing comes after it."""

    seq: int
    step: int
    rate: float


@dataclass(frozen=True)
class NotMeasured:
    """Why a device cannot train the experiment: a code, or a sentence."""

    seq: int
    step: int
    reason: str


Trained = ScalarsFrame | PanelFrame | CheckpointTaken | Event | LookChanged | Reply
Told = SweepFrame | SweepDivided | SweepRefused | Taken | NotTaken | Measured | NotMeasured
Output = Trained | Unplaced | Told
