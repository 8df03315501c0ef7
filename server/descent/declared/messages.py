"""What travels between a script's own training loop and a server: JSON text, and frames as in `wire.py`.

The script says `hello` first, and then `declare`, `state`, `knobs`, `diagnosis`, `kept`, `back` and `answer`;
scalars and pictures are binary. The server answers with `welcome` or `refused`, and sends `control`. Nothing
is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from descent.declared.declaration import Declaration
from descent.protocol import (
    LAST_STEP,
    Clock,
    Diagnosis,
    FindingParams,
    KnobsChanged,
    KnobValues,
    Looked,
    State,
    StatesKept,
    WentBack,
)

VERSION = 1
PATH = "/api/watch"
LARGEST_FRAME = 1 << 20  # bytes of a picture, or of a batch of scalars
MOST_STEPS = 4096  # of a batch of scalars
MOST_SCALARS = 256  # columns of a batch

REFUSED = 4400  # close codes: what was said cannot be understood
OTHER_VERSION = 4409
DELETED = 4410
RESTARTING = 1012  # of RFC 6455: the server ends
TRY_AGAIN_LATER = 1013


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Greeting(BaseModel):
    """The first fields of every version's `hello`."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["hello"]
    protocol: int


class Hello(_Message):
    """The first message. `run`: the one that this script has begun already, if it has; `key`: its secret, by
    which it proves that.
    """

    type: Literal["hello"] = "hello"
    protocol: int = VERSION
    declaration: Declaration
    key: str = Field(min_length=16, max_length=64)
    run: str = Field("", max_length=32)
    step: int = Field(0, ge=0, le=LAST_STEP)
    device: str = Field("cpu", max_length=16)


class Declare(_Message):
    """The declaration anew: there are more knobs, panels or scalars than before."""

    type: Literal["declare"] = "declare"
    declaration: Declaration


class Applied(_Message):
    """Knobs were set: those, and all as they are."""

    changed: KnobValues
    knobs: KnobValues


class Declined(_Message):
    """A knob cannot have this value."""

    knob: str = Field(max_length=100)
    detail: str = Field(max_length=2000)
    params: dict[str, Any] = {}


class Answer(_Message):
    """The answer to a control."""

    type: Literal["answer"] = "answer"
    reply_to: int
    step: int = Field(ge=0, le=LAST_STEP)
    answer: Applied | Declined | None = None


class ScriptState(State):
    """The run's status, of those that a script decides."""

    status: Literal["running", "paused", "finished", "stopped", "failed"]
    reason: str = Field("", max_length=4000)
    step: int = Field(ge=0, le=LAST_STEP)


class ScriptLooked(Looked):
    """The present values of knobs that the script has written itself."""

    step: int = Field(ge=0, le=LAST_STEP)


AnySaying = (
    Declare | Answer | ScriptState | KnobsChanged | Clock | ScriptLooked | Diagnosis | StatesKept | WentBack
)
Said = Annotated[AnySaying, Field(discriminator="type")]
said_adapter: TypeAdapter[AnySaying] = TypeAdapter(Said)
_finding: TypeAdapter[FindingParams] = TypeAdapter(FindingParams)


class Welcome(_Message):
    """The run as the server knows it, and the path of its page."""

    type: Literal["welcome"] = "welcome"
    protocol: int = VERSION
    run: str
    path: str
    told: int = Field(description="The step from which on it has no scalars yet.")
    probe_budget: float


class RefusedSaying(_Message):
    """What was said was refused; `code` and `detail` as in a REST problem."""

    type: Literal["refused"] = "refused"
    code: str
    detail: str


def strict_json(text: str) -> Any:
    """Parsed JSON without NaN and infinity. Raises `ValueError`."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    json.dumps(found, allow_nan=False)
    return found


def understood(text: str) -> AnySaying:
    """A message after the first. Raises `ValueError`, of which `pydantic.ValidationError` is one."""
    told = strict_json(text)
    message = said_adapter.validate_python(told)
    if isinstance(message, Diagnosis):
        params: Mapping[str, Any] = _finding.validate_python(dict(message.params))
        message = message.model_copy(update={"params": params})
    return message
