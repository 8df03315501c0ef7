"""A run's knobs: as set, and as scheduled at the coming step.

A run's knob values may have one more key, `schedules`: by knob, the schedule it follows. A schedule starts
from the knob's own value and ends when that is set by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from pydantic import ValidationError

from descent.contract import Experiment, KnobError, Knobs
from descent.engine.messages import Applied, Refused
from descent.engine.schedules import Followed, schedule_adapter

KEY = "schedules"  # among the values of a run's knobs
PREFIX = "knob/"  # of the scalar with a scheduled knob's value


def refusal(error: KnobError | ValidationError) -> Refused:
    """The refusal of a value by an experiment or its knobs type."""
    if isinstance(error, KnobError):
        return Refused(
            error.knob, str(error), {"reason": "refused", "message": error.message, **error.params}
        )
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    if isinstance(cause := context.get("error"), KnobError):
        return refusal(cause)
    path = [str(part) for part in first["loc"]] or ["knobs"]
    given = repr(first["input"])
    given = given if len(given) <= 60 else given[:57] + "…"
    limits = {k: v for k, v in context.items() if isinstance(v, int | float | str)}
    detail = f"{'.'.join(path)}: {first['msg']} (given: {given})"
    return Refused(path[0], detail, {"reason": first["type"], "given": given, **limits})


def apart(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The knob values without schedules, and the schedules; None if none are given."""
    knobs = dict(values)
    schedules = knobs.pop(KEY, None)
    return knobs, None if schedules is None else {k: v for k, v in schedules.items() if v is not None}


def merged(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` over `before`, both with schedules; setting a knob by hand ends its schedule."""
    knobs, told = apart(values)
    all_knobs, schedules = apart(before)
    if told is None:
        told = {name: schedule for name, schedule in (schedules or {}).items() if name not in knobs}
    return {**all_knobs, **knobs, **({KEY: told} if told or KEY in before or KEY in values else {})}


class KnobState:
    """The knobs of one experiment as it trains. `pending`: values to `set` before the next step, from a
    plateau that lowers its knob; most often empty.
    """

    def __init__(self, experiment: Experiment[Any], values: Mapping[str, Any]) -> None:
        """`values`: those the experiment was built with, and their schedules."""
        knobs, schedules = apart(values)
        self._experiment = experiment
        self._set = type(experiment).knobs_type.model_validate(knobs, strict=False)
        self.knobs = self._set  # as they are
        self.pending: dict[str, Any] = {}
        self._followed = self._begin(schedules or {})

    @property
    def scheduled(self) -> bool:
        """Whether some knob follows a schedule."""
        return bool(self._followed)

    @property
    def followed(self) -> frozenset[str]:
        """The knobs that follow a schedule."""
        return frozenset(self._followed)

    def found(self, values: Mapping[str, Any]) -> None:
        """Take over values that the experiment has already, whoever wrote them."""
        self._set = self._set.model_copy(update=dict(values))
        self.knobs = self.knobs.model_copy(update=dict(values))

    def set(self, values: Mapping[str, Any]) -> Applied:
        """Set knobs and schedules, from the next step on. Raises `ValidationError` or `KnobError`, and then
        changes nothing.
        """
        self.pending = {}
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
        now = self.dump()
        changed = {name: now[name] for name in told}
        if schedules is not None or self._followed.keys() != before[1].keys():
            changed[KEY] = self._schedules()
        return Applied(self._experiment.step_index, changed, {**now, **changed})

    @property
    def epoch(self) -> float | None:
        """Passes over the training data so far, whatever a batch held; None where that means nothing."""
        done, since = self._experiment.epochs_counted
        each = self._experiment.steps_per_epoch(self.knobs)
        return done + (self._experiment.step_index - since) / each if each else None

    def settle_epochs(self) -> None:
        """Keep the epochs counted so far, whatever an epoch is from now on."""
        if (done := self.epoch) is not None:
            self._experiment.epochs_counted = (done, self._experiment.step_index)

    def for_next_step(self) -> Knobs:
        """The knobs of the next step. Calls the experiment's `changed` where they differ from the last."""
        if self._followed:
            self._become(self._now(), self._followed)
        return self.knobs

    def restored(self) -> None:
        """Call after restoring a checkpoint. `changed` is not called: the experiment has these knobs."""
        self.knobs = self._now()

    def after_step(self, row: Mapping[str, float | torch.Tensor]) -> Mapping[str, float | torch.Tensor]:
        """Take in a step's scalars; returns them and the values of the knobs that follow schedules."""
        shown: dict[str, float] = {}
        for name, followed in self._followed.items():
            shown[PREFIX + name] = now = float(getattr(self.knobs, name))
            if followed.plateau is None:
                continue
            watched = getattr(followed.schedule, "watch", "") or heard_by(type(self._experiment), name, row)
            if watched in row and followed.plateau.hear(float(row[watched])):
                self.pending[name] = followed.lowered(now)
        if self.pending:
            self.pending[KEY] = self._schedules()
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
        """The knobs at the coming step."""
        step = self._experiment.step_index
        moved = {name: f.value(getattr(self._set, name), step) for name, f in self._followed.items()}
        return self._set.model_copy(update=moved) if moved else self._set

    def _become(self, after: Knobs, names: Iterable[str]) -> None:
        """Switch to the knobs `after`; `names`: those that may differ."""
        before = self.knobs
        if differ := {name for name in names if getattr(before, name) != getattr(after, name)}:
            each = self._experiment.steps_per_epoch
            if each(before) != each(after):
                self.settle_epochs()
        self.knobs = after
        if differ:
            self._experiment.changed(after, differ)


def heard_by(kind: type[Experiment[Any]], knob: str, scalars: Iterable[str]) -> str:
    """The loss that a plateau of this knob watches by default: its learner's own, or the main one.

    Where none is declared, the first of the `scalars` that is called a loss; "" where there is none.
    """
    losses = [(name, measure) for name, measure in kind.measures.items() if measure.kind == "loss"]
    own = [name for name, measure in losses if knob in measure.knobs]
    shared = [name for name, measure in losses if not measure.knobs]
    called = [name for name in scalars if name.startswith("loss")]
    return next(iter([*own, *shared, *(name for name, _ in losses), *called]), "")
