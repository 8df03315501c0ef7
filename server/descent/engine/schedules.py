"""Schedules: their settings, validated, and a knob's value at a step.

A scheduled value depends on the settings and the step alone. Only `plateau` watches losses; when it
lowers its knob, that is a change of the knob like any other, and is recorded as one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from typing_extensions import TypedDict

from descent.contract import Knobs
from descent.kit.nn import schedules as rules
from descent.protocol import LAST_STEP

LONGEST = 10**9  # steps
MOST_POINTS = 512

Steps = Annotated[int, Field(ge=1, le=LONGEST)]
Of = Literal["ahead", "value", ""]


class Suggestion(TypedDict):
    """What the page suggests for a setting: `amount` times the steps looked ahead or the knob's value, or the
    `amount` itself.
    """

    amount: float
    of: Of


class Setting(Suggestion):
    """A setting of a schedule that the page offers."""

    name: str
    whole: bool


def offered(amount: float, of: Of = "") -> dict[str, Any]:
    """The JSON Schema extra of a field that the page offers, with its suggestion. One `of` the value must be
    within the knob's range.
    """
    return {"x-suggestion": Suggestion(amount=amount, of=of)}


class BaseSchedule(BaseModel):
    """`start`: the step it begins at; by default the coming step when it is set."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    start: int | None = Field(None, ge=0, le=LAST_STEP)

    @classmethod
    def settings(cls) -> list[Setting]:
        """The settings that the page offers, in order."""
        found = []
        for name, field in cls.model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and (told := extra.get("x-suggestion")):
                found.append(Setting(name=name, whole=field.annotation is int, **told))  # type: ignore[typeddict-item]
        return found

    def targets(self) -> list[tuple[str, float]]:
        """The values that it names, by field: they must be within the knob's range."""
        return [(s["name"], getattr(self, s["name"])) for s in self.settings() if s["of"] == "value"]


class Constant(BaseSchedule):
    """Nothing changes."""

    kind: Literal["constant"]


class Step(BaseSchedule):
    """Times `factor` after each `every` steps."""

    kind: Literal["step"]
    every: Steps = Field(json_schema_extra=offered(0.25, "ahead"))
    factor: float = Field(0.1, gt=0, le=10, json_schema_extra=offered(0.5))


class Exponential(BaseSchedule):
    """Times `factor` in the course of each `every` steps."""

    kind: Literal["exponential"]
    every: Steps = Field(json_schema_extra=offered(0.25, "ahead"))
    factor: float = Field(0.5, gt=0, le=10, json_schema_extra=offered(0.5))


class Cosine(BaseSchedule):
    """Along a cosine to `low` in `steps` steps."""

    kind: Literal["cosine"]
    steps: Steps = Field(json_schema_extra=offered(0.9, "ahead"))
    low: float = Field(json_schema_extra=offered(0.01, "value"))


class Restarts(BaseSchedule):
    """Along a cosine to `low` in `every` steps, then again from the top, each time `growth` times as long."""

    kind: Literal["restarts"]
    every: Steps = Field(json_schema_extra=offered(0.2, "ahead"))
    growth: int = Field(1, ge=1, le=10, json_schema_extra=offered(2))
    low: float = Field(json_schema_extra=offered(0.01, "value"))


class Warmup(BaseSchedule):
    """Straight from `low` up to the knob's value in `steps` steps."""

    kind: Literal["warmup"]
    steps: Steps = Field(json_schema_extra=offered(0.2, "ahead"))
    low: float = Field(json_schema_extra=offered(0.01, "value"))


class OneCycle(BaseSchedule):
    """From the knob's value up to `peak` in a share `rise` of the `steps`, then down to `low`."""

    kind: Literal["one-cycle"]
    steps: int = Field(ge=4, le=LONGEST, json_schema_extra=offered(0.9, "ahead"))
    peak: float = Field(json_schema_extra=offered(3, "value"))
    low: float = Field(json_schema_extra=offered(0.01, "value"))
    rise: float = Field(0.3, gt=0, lt=1, json_schema_extra=offered(0.3))


class InverseSqrt(BaseSchedule):
    """Straight up to the knob's value in `warm` steps, then down with the square root of the steps."""

    kind: Literal["inverse-sqrt"]
    warm: Steps = Field(json_schema_extra=offered(0.1, "ahead"))


class Plateau(BaseSchedule):
    """Times `factor` when the mean loss of `window` steps has not fallen `patience` times in a row.

    The window counts values of the loss, which may not come every step. `watch`: the scalar watched; by
    default the loss of the learner that the knob acts on. `state`: the plateau's state so far.
    """

    kind: Literal["plateau"]
    window: Steps = Field(50, json_schema_extra=offered(50))
    patience: int = Field(5, ge=0, le=10**6, json_schema_extra=offered(5))
    factor: float = Field(0.5, gt=0, lt=1, json_schema_extra=offered(0.5))
    threshold: float = Field(1e-3, ge=0, lt=1)
    watch: str = Field("", max_length=200)
    state: list[float | None] = Field([], max_length=4)


class Drawn(BaseSchedule):
    """Along a line through points (steps since it began, value), in the logarithm where `log`."""

    kind: Literal["drawn"]
    points: list[tuple[float, float]] = Field(min_length=1, max_length=MOST_POINTS)
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Drawn:
        for (before, _), (after, _) in zip(self.points, self.points[1:], strict=False):
            if not before < after:
                raise ValueError(f"points: steps must rise, {after:g} follows {before:g}")
        if not 0 <= self.points[0][0] <= self.points[-1][0] <= LONGEST:
            raise ValueError(f"points: steps must lie between 0 and {LONGEST}")
        if self.log and min(value for _, value in self.points) <= 0:
            raise ValueError("points: on a logarithmic line every value must be above 0")
        return self

    def targets(self) -> list[tuple[str, float]]:
        """The values of its points, all under `points`."""
        return [("points", value) for _, value in self.points]


Schedule = Annotated[
    Constant | Step | Exponential | Cosine | Restarts | Warmup | OneCycle | InverseSqrt | Plateau | Drawn,
    Field(discriminator="kind"),
]
schedule_adapter: TypeAdapter[BaseSchedule] = TypeAdapter(Schedule)


def kinds() -> dict[str, list[Setting]]:
    """The kinds of schedules, each with the settings that the page offers."""
    return {
        get_args(kind.model_fields["kind"].annotation)[0]: kind.settings()
        for kind in get_args(get_args(Schedule)[0])
    }


def range_of(knobs_type: type[Knobs], name: str) -> tuple[float, float, bool] | None:
    """The minimum and maximum of a numeric knob, and whether it is an integer; None for any other knob."""
    schema = knobs_type.model_json_schema()["properties"][name]
    if schema.get("type") not in ("number", "integer") or "enum" in schema:
        return None
    return schema["minimum"], schema["maximum"], schema["type"] == "integer"


class Followed:
    """One knob that follows a schedule."""

    def __init__(self, knobs_type: type[Knobs], name: str, schedule: BaseSchedule) -> None:
        found = range_of(knobs_type, name)
        assert found is not None, f"{name} is no number"
        self._range = found
        self.schedule = schedule
        self.plateau: rules.Plateau | None = None
        if isinstance(schedule, Plateau):
            settings = schedule.model_dump(include={"window", "patience", "factor", "threshold"})
            self.plateau = rules.Plateau(**settings)
            if schedule.state:
                self.plateau.recall(schedule.state)
        else:
            self._rule = schedule.model_dump()

    def value(self, own: float, step: int) -> float:
        """The knob's value at a step; `own`: its unscheduled value."""
        if self.plateau is not None:
            return own
        return rules.followed(self._rule, own, step, *self._range)

    def lowered(self, now: float) -> float:
        """The value after a plateau has lowered it."""
        assert self.plateau is not None
        low, _, whole = self._range
        after = max(now * self.plateau.factor, low)
        return round(after) if whole else after

    def dump(self) -> dict[str, Any]:
        """The schedule, JSON-ready, with a plateau's state."""
        schedule = self.schedule.model_dump(mode="json")
        if self.plateau is not None:
            schedule["state"] = self.plateau.state()
        return schedule
