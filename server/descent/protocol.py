"""Commands and events: the single source of truth for what travels over a run's stream.

A client sends commands, the server sends events, both as JSON objects told apart by `type`; pictures
and scalars are binary frames (see `wire.py`). `docs/protocol.md` is checked against this file.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SkipValidation, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType, TypedDict

VERSION = 1

Status = Literal[
    "queued", "starting", "running", "paused", "finished", "stopped", "diverged", "failed", "interrupted"
]
STATUSES: tuple[Status, ...] = get_args(Status)
ENDED: frozenset[Status] = frozenset({"finished", "stopped", "diverged", "failed", "interrupted"})
TRAINED_ON = r"^(cpu|cuda(:(0|[1-9][0-9]?))?|mps)$"


def _device(text: str) -> str:
    if text != "auto" and not re.match(TRAINED_ON, text):
        raise PydanticCustomError(
            "device", "expected auto, cpu, cuda, mps, or a GPU by its number, as cuda:0"
        )
    return text


Device = Annotated[
    str,
    AfterValidator(_device),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": ["auto", "cpu", "cuda", "mps"]},
                {"type": "string", "pattern": "^cuda:(0|[1-9][0-9]?)$"},
            ]
        }
    ),
]
_ROW = {"type": "object", "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "string"}]}}
_ITEM = {
    "anyOf": [{"type": "number"}, {"type": "string"}, {"type": "array", "items": {"type": "number"}}, _ROW]
}
_SCHEDULE = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
KnobValue = TypeAliasType(
    "KnobValue",
    Annotated[
        Any,
        WithJsonSchema(
            {
                "description": "A knob's value; of `schedules`, by knob the schedule that it follows.",
                "anyOf": [
                    {"type": "number"},
                    {"type": "string"},
                    {"type": "boolean"},
                    {"type": "array", "items": _ITEM},
                    {"type": "object", "additionalProperties": _SCHEDULE | {"additionalProperties": True}},
                ],
            }
        ),
    ],
)
KnobValues = TypeAliasType("KnobValues", dict[str, KnobValue])

STEPS_AT_ONCE = 100_000  # of one `step` command: minutes of the fastest experiment
LAST_STEP = 10**15  # of any run
PANELS_AT_ONCE = 64  # no experiment has more


class Message(BaseModel):
    """Base of all messages: unknown fields are refused, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Watch(Message):
    """The panels on the learner's screen. Only these are computed."""

    type: Literal["watch"] = "watch"
    panels: list[str] = Field(max_length=PANELS_AT_ONCE)
    max_fps: float = Field(30, gt=0, le=60)


class SetKnobs(Message):
    """Set live knobs; answered by the event `knobs` with the step at which they take effect, or by `look`.

    With a `tag` it is answered to this client, too: by `done`, or by an `error` that bears the tag.
    """

    type: Literal["knobs"] = "knobs"
    knobs: KnobValues
    tag: str = Field("", max_length=100)


class Pause(Message):
    """Pause after the current step."""

    type: Literal["pause"] = "pause"


class Resume(Message):
    """Go on training."""

    type: Literal["resume"] = "resume"


class Step(Message):
    """Take `steps` steps, then pause."""

    type: Literal["step"] = "step"
    steps: int = Field(1, ge=1, le=STEPS_AT_ONCE)


class Pace(Message):
    """Limit the steps per second, so that one can follow; null: as fast as it goes."""

    type: Literal["pace"] = "pace"
    steps_per_second: float | None = Field(ge=0.1, le=1e6)


class Stop(Message):
    """End the run."""

    type: Literal["stop"] = "stop"


class Ack(Message):
    """Everything up to `seq` is drawn. A client that acks gets no more pictures than it can draw."""

    type: Literal["ack"] = "ack"
    seq: int = Field(ge=0)


Command = Annotated[Watch | SetKnobs | Pause | Resume | Step | Pace | Stop | Ack, Field(discriminator="type")]
command_adapter: TypeAdapter[Watch | SetKnobs | Pause | Resume | Step | Pace | Stop | Ack] = TypeAdapter(
    Command
)


class KnobChange(BaseModel):
    """A knob's values before and after it was changed."""

    before: KnobValue | None
    after: KnobValue


class RunInfo(BaseModel):
    """A run as REST and the stream show it."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    id: str
    experiment: str
    status: Status
    step: int = Field(description="Steps taken so far.")
    knobs: KnobValues
    seed: int
    device: str
    parent: str | None = None
    branched_at: int | None = None
    created_at: str = Field(description="ISO 8601, UTC.")
    reason: str = Field("", description="Why the run has this status, where that needs saying.")
    max_steps: int | None = None
    pace: float | None = None
    steps_per_epoch: float | None = None
    updated_at: str = Field("", description="When it last said something. ISO 8601, UTC.")
    name: str = Field("", description="What the learner calls it.")
    starred: bool = Field(False, description="Kept when room is made for others.")
    tags: list[str] = Field([], description="Words by which the learner finds it.")
    branch_changes: dict[str, KnobChange] | None = Field(
        None, description="The knobs that a branch changed where it began, if that is known."
    )
    owner: str = Field("", description="Id of whose it is; empty on a server that asks nobody for a key.")
    shared: bool = Field(False, description="Whether everybody who may come in may watch it.")
    imported: bool = Field(
        False, description="Whether it, or the run it was branched from, came in a file: not all is ours."
    )
    latest: dict[str, float] = Field({}, description="The last value of each scalar.")
    frames_thinned: int = Field(0, description="Pictures that were recorded and had to make room.")
    checkpoints_thinned: int = 0
    scalars_exact_from: int = Field(
        0,
        description="Scalars of earlier steps are kept as the least, the greatest and the mean of stretches.",
    )
    recorded_bytes: int = Field(0, description="What is kept, compressed.")


class ImportedRun(RunInfo):
    """A run that was imported."""

    already: str | None = Field(None, description="Id of the same run, if it was recorded here before.")


class Hello(Message):
    """First on every stream: the protocol's version, the last `seq` so far, and the run."""

    type: Literal["hello"] = "hello"
    protocol: int = VERSION
    seq: int
    run: RunInfo


class Recording(Message):
    """Whether runs are recorded now. `reason`: `disk-full`, `locked`, `home-gone` (the database was deleted
    or replaced) or `failed`; it is retried. While it is `ok`, `disk-low`: the disk is nearly full.
    """

    type: Literal["recording"] = "recording"
    ok: bool
    reason: str = ""


class State(Message):
    """The run's status changed. `reason` is a code (`unwatched`, `made-room`, `user`, …) or a message;
    `epoch` counts passes over the training data, whatever a batch held. A run that failed because of a knob's
    value names it in `field`, with `params` as in a REST problem.
    """

    type: Literal["state"] = "state"
    seq: int
    step: int
    status: Status
    reason: str = ""
    pace: float | None = None
    steps_per_epoch: float | None = None
    epoch: float | None = None
    field: str = ""
    params: dict[str, Any] = {}


class KnobsChanged(Message):
    """These knobs take effect at `step`; `now`: all of them, which the records of early versions lack."""

    type: Literal["knobs"] = "knobs"
    seq: int
    step: int
    knobs: KnobValues
    now: KnobValues = {}
    steps_per_epoch: float | None = None
    epoch: float | None = None


class Clock(Message):
    """After `step` steps the run had trained for `seconds`, without pauses: told when it begins and ends, and
    in between ever more rarely. They begin at 0 again where an interrupted run goes on.
    """

    type: Literal["clock"] = "clock"
    seq: int
    step: int = Field(ge=0, le=LAST_STEP)
    seconds: float = Field(ge=0, allow_inf_nan=False)


class DeviceChosen(Message):
    """The device on which a run trains that was left to choose: the fastest of those measured, before its
    first step or for an earlier run. `rates`: steps per second by kind of device; `failed`: why one cannot
    train it (`float64`, `operation`, `memory`, or a sentence).
    """

    type: Literal["device"] = "device"
    seq: int
    step: int = Field(ge=0, le=LAST_STEP)
    device: str = Field(max_length=16)
    rates: dict[Annotated[str, Field(max_length=16)], Annotated[float, Field(ge=0)]] = Field(max_length=8)
    failed: dict[Annotated[str, Field(max_length=16)], Annotated[str, Field(max_length=2000)]] = Field(
        {}, max_length=8
    )


class Declared(Message):
    """A run whose training loop is someone's own declares itself anew: more knobs, panels or scalars. Ask for
    its description again.
    """

    type: Literal["declared"] = "declared"
    seq: int
    step: int


class StatesKept(Message):
    """The steps after which a run's own script keeps its state now: it can be put back there."""

    type: Literal["kept"] = "kept"
    seq: int
    step: int = Field(ge=0, le=LAST_STEP)
    steps: list[Annotated[int, Field(ge=0, le=LAST_STEP)]] = Field(max_length=64)


class WentBack(Message):
    """After `step` steps a run's own script put back its state after `to`. The count goes on."""

    type: Literal["back"] = "back"
    seq: int
    step: int = Field(ge=0, le=LAST_STEP)
    to: int = Field(ge=0, le=LAST_STEP)


class Looked(Message):
    """The present look knobs: the view has changed, and nothing of training.

    Not part of a replay: a client that connects later finds them in `hello`.
    """

    type: Literal["look"] = "look"
    step: int
    knobs: KnobValues


class Waiting(Message):
    """A queued run's place among those that wait, and in how many seconds its turn comes, where that can be
    told. Not part of a replay.
    """

    type: Literal["waiting"] = "waiting"
    place: int = Field(ge=1)
    seconds: int | None = None


class WayBack(TypedDict):
    """A step of a run from which to go on, and the knobs to do so with."""

    step: int
    knobs: KnobValues


class FindingParams(TypedDict, total=False):
    """A finding's measured values, place, cause and remedy; its `code` decides which of them there are."""

    value: float
    bound: float
    was: float
    rate: float
    below: float
    penalty: float
    real: float
    fake: float
    layer: str
    objective: str
    scalar: str
    others: list[str]
    cause: Annotated[str | None, Field(description="Says more of why; the page has words for it.")]
    racer: str
    racers: list[str]
    of: Annotated[list[str], Field(description="The codes of what is over.")]
    at: Annotated[int, Field(description="The step of the change that did it.")]
    since: Annotated[int, Field(description="The step at which a loss was lowest.")]
    steps: Annotated[int | list[int], Field(description="Steps taken; of damaged checkpoints, which.")]
    used: Annotated[int, Field(description="The checkpoint that was used instead.")]
    healthy: Annotated[int, Field(description="The last step at which nothing was wrong.")]
    remedy: Annotated[KnobValues, Field(description="Knobs that may help now.")]
    changes: Annotated[dict[str, list[KnobValue]], Field(description="By knob, what it was and became.")]
    back: WayBack
    scalars: Annotated[dict[str, str], Field(description="Those that are not finite.")]
    parameters: Annotated[list[str], Field(description="Those that are not finite.")]
    rates: dict[str, float]
    panel: str
    error: str
    operations: Annotated[list[str], Field(description="Of torch, that round otherwise each time.")]


class Diagnosis(Message):
    """Something went wrong in the run, at `step`; `code` says what, `params` the measured values."""

    type: Literal["diagnosis"] = "diagnosis"
    seq: int
    step: int
    code: Literal[
        "non-finite",
        "probe-failed",
        "checkpoint-failed",
        "checkpoint-damaged",
        "not-on-cluster",
        "examination-failed",
        "not-exact",
        "exploding",
        "vanishing",
        "dead-units",
        "above-edge",
        "stuck",
        "overfitting",
        "d-overpowers",
        "mode-collapse",
        "worse",
        "out",
        "uphill",
        "recovered",
    ]
    params: SkipValidation[FindingParams]


class Gap(Message):
    """Messages `first` to `last` could not be kept on disk and are lost to this viewer."""

    type: Literal["gap"] = "gap"
    first: int
    last: int


class Done(Message):
    """The command that this client gave this `tag` took effect; its changes were sent before."""

    type: Literal["done"] = "done"
    tag: str


class StreamError(Message):
    """A command was refused: the one with this `tag`, if it had one. Fields as in a REST problem."""

    type: Literal["error"] = "error"
    tag: str = ""
    code: str
    detail: str
    field: str = ""
    params: dict[str, Any] = {}


Event = (
    Hello
    | Recording
    | State
    | KnobsChanged
    | Clock
    | DeviceChosen
    | Declared
    | StatesKept
    | WentBack
    | Looked
    | Waiting
    | Diagnosis
    | Gap
    | Done
    | StreamError
)
