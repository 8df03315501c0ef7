"""A run's knobs: as they were set, and as they are at the step that comes, where schedules move them.

Among the values of a run's knobs there may be one more, `schedules`: by knob, how it changes by itself. It
begins from the knob's own value and ends when that is set by hand. What a schedule makes of a step follows
from its settings and the step alone. Only `plateau` hears losses; when it lowers its knob, that is a change
of the knob like any other, and is recorded as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from descent.contract import Experiment, KnobError, Knobs
from descent.kit.nn import schedules as rules

KEY = "schedules"  # among the values of a run's knobs
PREFIX = "knob/"  # of the scalar that tells what a followed knob was
LONGEST = 10**9  # steps
MOST_POINTS = 512

Steps = Annotated[int, Field(ge=1, le=LONGEST)]


class _Schedule(BaseModel):
    """`start`: the step it begins at; when it is set, the step that comes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    start: int | None = Field(None, ge=0, le=10**15)

    def targets(self) -> list[tuple[str, float]]:
        """The values that it names, by field: they must be within the knob's range."""
        return [(name, getattr(self, name)) for name in ("low", "peak") if hasattr(self, name)]


class Constant(_Schedule):
    """Nothing changes."""

    kind: Literal["constant"]


class Step(_Schedule):
    """Times `factor` after each `every` steps."""

    kind: Literal["step"]
    every: Steps
    factor: float = Field(0.1, gt=0, le=10)


class Exponential(_Schedule):
    """Times `factor` in the course of each `every` steps."""

    kind: Literal["exponential"]
    every: Steps
    factor: float = Field(0.5, gt=0, le=10)


class Cosine(_Schedule):
    """Along a cosine to `low` in `steps` steps."""

    kind: Literal["cosine"]
    steps: Steps
    low: float


class Restarts(_Schedule):
    """Along a cosine to `low` in `every` steps, then again from the top, each time `growth` times as long."""

    kind: Literal["restarts"]
    every: Steps
    growth: int = Field(1, ge=1, le=10)
    low: float


class Warmup(_Schedule):
    """Straight from `low` up to the knob's value in `steps` steps."""

    kind: Literal["warmup"]
    steps: Steps
    low: float


class OneCycle(_Schedule):
    """From the knob's value up to `peak` in a share `rise` of the `steps`, then down to `low`."""

    kind: Literal["one-cycle"]
    steps: int = Field(ge=4, le=LONGEST)
    peak: float
    low: float
    rise: float = Field(0.3, gt=0, lt=1)


class InverseSqrt(_Schedule):
    """Straight up to the knob's value in `warm` steps, then down with the square root of the steps."""

    kind: Literal["inverse-sqrt"]
    warm: Steps


class Plateau(_Schedule):
    """Times `factor` when the mean loss of `window` steps has not fallen `patience` times in a row.

    The window counts values of the loss, of which there may be one in several steps. `watch` is the scalar it
    hears; none: the loss of the learner that the knob acts on. `state`: what it has heard so far.
    """

    kind: Literal["plateau"]
    window: Steps = 50
    patience: int = Field(5, ge=0, le=10**6)
    factor: float = Field(0.5, gt=0, lt=1)
    threshold: float = Field(1e-3, ge=0, lt=1)
    watch: str = Field("", max_length=200)
    state: list[float | None] = Field([], max_length=4)


class Drawn(_Schedule):
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
        """Those it is drawn through."""
        return [("points", value) for _, value in self.points]


Schedule = Annotated[
    Constant | Step | Exponential | Cosine | Restarts | Warmup | OneCycle | InverseSqrt | Plateau | Drawn,
    Field(discriminator="kind"),
]
schedule_adapter: TypeAdapter[_Schedule] = TypeAdapter(Schedule)


def apart(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The values of knobs, and the schedules among them if they are told."""
    knobs = dict(values)
    schedules = knobs.pop(KEY, None)
    return knobs, None if schedules is None else {k: v for k, v in schedules.items() if v is not None}


def merged(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` over `before`, both with schedules: a knob that is set by hand follows none any more."""
    knobs, told = apart(values)
    all_knobs, schedules = apart(before)
    if told is None:
        told = {name: schedule for name, schedule in (schedules or {}).items() if name not in knobs}
    return {**all_knobs, **knobs, **({KEY: told} if told or KEY in before or KEY in values else {})}


def range_of(knobs_type: type[Knobs], name: str) -> tuple[float, float, bool] | None:
    """The least and the greatest value of a knob that is a number, and whether it is a whole one."""
    schema = knobs_type.model_json_schema()["properties"][name]
    if schema.get("type") not in ("number", "integer") or "enum" in schema:
        return None
    return schema["minimum"], schema["maximum"], schema["type"] == "integer"


class Followed:
    """One knob that follows a schedule."""

    def __init__(self, knobs_type: type[Knobs], name: str, schedule: _Schedule) -> None:
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
        """What it is at a step, given its own value."""
        if self.plateau is not None:
            return own
        return rules.followed(self._rule, own, step, *self._range)

    def lowered(self, now: float) -> float:
        """What a plateau makes of it."""
        assert self.plateau is not None
        low, _, whole = self._range
        after = max(now * self.plateau.factor, low)
        return round(after) if whole else after

    def dump(self) -> dict[str, Any]:
        """The schedule, JSON-ready, with what it has heard."""
        schedule = self.schedule.model_dump(mode="json")
        if self.plateau is not None:
            schedule["state"] = self.plateau.state()
        return schedule


class Course:
    """The knobs of one experiment as it trains. `due`: what a plateau makes of its knob before the step that
    comes, values for `turn`; most often nothing.
    """

    def __init__(self, experiment: Experiment[Any], values: Mapping[str, Any]) -> None:
        """`values`: those the experiment was built with, and their schedules."""
        knobs, schedules = apart(values)
        self._experiment = experiment
        self._set = type(experiment).knobs_type.model_validate(knobs, strict=False)
        self.knobs = self._set  # as they are
        self.due: dict[str, Any] = {}
        self._followed = self._begin(schedules or {})

    @property
    def scheduled(self) -> bool:
        """Whether some knob follows a schedule."""
        return bool(self._followed)

    def turn(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Set knobs and schedules as a command does; what was set, JSON-ready, with the step they begin at.

        Raises `ValidationError` or `KnobError`, and all is as it was.
        """
        self.due = {}
        before = self._set, self._followed, self.knobs
        after, schedules = apart(merged(self.dump(), values))
        try:
            self._set = type(self._set).model_validate(after, strict=False)
            self._followed = self._begin(schedules or {})
            self._become(self._now(), after)
        except (KnobError, ValidationError):
            self._set, self._followed, self.knobs = before
            raise
        told, schedules = apart(values)
        own = self._set.model_dump(mode="json")
        done = {name: own[name] for name in told}
        if schedules is not None or self._followed.keys() != before[1].keys():
            done[KEY] = self._schedules()
        return done

    @property
    def epoch(self) -> float | None:
        """Passes over the training data so far, whatever a batch held; None where that means nothing."""
        done, since = self._experiment.epochs_counted
        each = self._experiment.steps_per_epoch(self.knobs)
        return done + (self._experiment.step_index - since) / each if each else None

    def settle(self) -> None:
        """What is counted so far stays, whatever an epoch is from now on."""
        if (done := self.epoch) is not None:
            self._experiment.epochs_counted = (done, self._experiment.step_index)

    def follow(self) -> Knobs:
        """The knobs of the step that comes. The experiment is told where they differ from those before."""
        if self._followed:
            self._become(self._now(), self._followed)
        return self.knobs

    def recall(self) -> None:
        """The experiment has become another, which was told the knobs of the step that comes."""
        self.knobs = self._now()

    def hear(self, row: Mapping[str, float | torch.Tensor]) -> Mapping[str, float | torch.Tensor]:
        """Take in a step's scalars; returns them and the values of the knobs that follow schedules."""
        shown: dict[str, float] = {}
        for name, followed in self._followed.items():
            shown[PREFIX + name] = now = float(getattr(self.knobs, name))
            if followed.plateau is None:
                continue
            watched = getattr(followed.schedule, "watch", "") or heard_by(type(self._experiment), name, row)
            if watched in row and followed.plateau.hear(float(row[watched])):
                self.due[name] = followed.lowered(now)
        if self.due:
            self.due[KEY] = self._schedules()
        return {**row, **shown}

    def dump(self) -> dict[str, Any]:
        """All knobs as they were set, JSON-ready, and the schedules if there are any."""
        return self._set.model_dump(mode="json") | ({KEY: self._schedules()} if self._followed else {})

    def _begin(self, schedules: Mapping[str, Any]) -> dict[str, Followed]:
        followed = {}
        for name, told in schedules.items():
            schedule = schedule_adapter.validate_python(told)
            if schedule.start is None:
                schedule = schedule.model_copy(update={"start": self._experiment.step_index})
            followed[name] = Followed(type(self._set), name, schedule)
        return followed

    def _schedules(self) -> dict[str, Any]:
        return {name: followed.dump() for name, followed in self._followed.items()}

    def _now(self) -> Knobs:
        """The knobs at the step that comes."""
        step = self._experiment.step_index
        moved = {name: f.value(getattr(self._set, name), step) for name, f in self._followed.items()}
        return self._set.model_copy(update=moved) if moved else self._set

    def _become(self, after: Knobs, names: Iterable[str]) -> None:
        """`names`: those that may differ."""
        before = self.knobs
        if differ := {name for name in names if getattr(before, name) != getattr(after, name)}:
            each = self._experiment.steps_per_epoch
            if each(before) != each(after):
                self.settle()
        self.knobs = after
        if differ:
            self._experiment.changed(after, differ)


def heard_by(kind: type[Experiment[Any]], knob: str, scalars: Iterable[str]) -> str:
    """The loss that a plateau of this knob hears if it names none: its learner's own, or the main one.

    Where none is declared, the first of the `scalars` that is called a loss; "" where there is none.
    """
    losses = [(name, measure) for name, measure in kind.measures.items() if measure.kind == "loss"]
    own = [name for name, measure in losses if knob in measure.knobs]
    shared = [name for name, measure in losses if not measure.knobs]
    called = [name for name in scalars if name.startswith("loss")]
    return next(iter([*own, *shared, *(name for name, _ in losses), *called]), "")
