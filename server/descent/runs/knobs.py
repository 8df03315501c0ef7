"""Checks knob values that come from outside, with errors that name the knob and the fix."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from descent.contract import KnobError, Knobs
from descent.contract.entry import Entry
from descent.engine.knobs import KEY, apart, heard_by, merged, refusal
from descent.engine.schedules import Followed, Plateau, range_of, schedule_adapter
from descent.errors import BadKnob, BadSchedule, FixedKnob
from descent.kit.data.missing import place_of
from descent.kit.data.own import FileKind, own_place


def check(
    entry: Entry,
    values: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    fixed_too: bool = False,
) -> dict[str, Any]:
    """All knobs, JSON-ready: `values` over `before`, or over the defaults; and schedules where there are any.

    Raises `BadKnob` for an unknown name or a bad value, `FixedKnob` for a fixed knob when `before` is given
    and not `fixed_too`, `BadSchedule`.
    """
    known = entry.knobs_type.model_fields
    for name in values:
        if name == KEY:
            continue
        if name not in known:
            raise BadKnob(
                f"{entry.id} has no knob {name!r}; it has {', '.join(known)}", name, reason="unknown"
            )
        if (
            before is not None
            and not fixed_too
            and not entry.knobs_type.is_live(name)
            and values[name] != before.get(name)
        ):
            raise FixedKnob(f"{name} is fixed while a run goes on; start a new run to change it", name)
    if not isinstance(values.get(KEY, {}), Mapping):
        raise BadSchedule(f"{KEY}: expected an object, by knob the schedule it follows", KEY, reason="shape")
    knobs, schedules = apart(merged(before or {}, values))
    try:
        checked: Knobs = entry.knobs_type.model_validate_json(json.dumps(knobs))
    except ValidationError as error:
        raise refusal(error).error() from error
    found = checked.model_dump(mode="json")
    if schedules is not None:
        found[KEY] = {name: _schedule(entry, name, told) for name, told in schedules.items()}
    return found


def completed(entry: Entry, knobs: Mapping[str, Any]) -> dict[str, Any]:
    """A run's knobs, with the defaults of those that its experiment did not have yet when it was made."""
    defaults = {name: field.get_default() for name, field in entry.knobs_type.model_fields.items()}
    return {**defaults, **knobs}


def need_data(entry: Entry, knobs: Mapping[str, Any], folders: Sequence[Path]) -> None:
    """Raises `BadKnob` where a knob asks for a data set, or a file of one's own, that is in no folder."""
    knobs = completed(entry, knobs)
    own = own_files(entry, knobs)
    for name, field in entry.knobs_type.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict), name
        sets = extra.get("x-data")
        try:
            if isinstance(sets, list) and knobs[name] in sets:
                place_of(knobs[name], folders, name)
            if name in own:
                own_place(own[name][1], folders, name)
        except KnobError as error:
            raise refusal(error).error() from error


def own_files(entry: Entry, knobs: Mapping[str, Any]) -> dict[str, tuple[FileKind, str]]:
    """The files of one's own that knobs ask for: by knob its kind, and its digest or "" for none."""
    knobs = completed(entry, knobs)
    found = {}
    for name, field in entry.knobs_type.model_fields.items():
        extra: Any = field.json_schema_extra
        when = extra.get("x-when") or {}
        if "x-own" in extra and all(knobs[other] in values for other, values in when.items()):
            found[name] = (extra["x-own"], knobs[name])
    return found


def is_live(entry: Entry, name: str) -> bool:
    """Whether a knob, or the schedules under `KEY`, takes effect at the next step."""
    return name == KEY or entry.knobs_type.is_live(name)


def looks(entry: Entry, knobs: Mapping[str, Any]) -> dict[str, Any]:
    """The look knobs among `knobs`."""
    return {name: knobs[name] for name in sorted(entry.knobs_type.looks()) if name in knobs}


def planned_changes(
    entry: Entry, began: Mapping[str, Any], changes: Sequence[tuple[int, Mapping[str, Any]]]
) -> list[tuple[int, dict[str, Any]]]:
    """Live knobs to set, each after so many steps, checked and in order; `began`: all knobs before.

    Raises `BadKnob`, `FixedKnob` and `BadSchedule`.
    """
    found = []
    for step, values in sorted(changes, key=lambda change: change[0]):
        began = check(entry, values, before=began)
        found.append((step, {name: began[name] for name in values}))
    return found


def planned(entry: Entry, name: str, told: Mapping[str, Any], own: Any, steps: Sequence[int]) -> list[float]:
    """A knob's scheduled values at `steps` counted from the schedule's start; `own`: its unscheduled value.

    A plateau, which depends on losses to come, leaves it as it is. Raises `BadSchedule`.
    """
    schedule = _schedule(entry, name, told)
    schedule["start"] = 0
    followed = Followed(entry.knobs_type, name, schedule_adapter.validate_python(schedule))
    return [followed.value(own, step) for step in steps]


def _schedule(entry: Entry, name: str, told: Any) -> dict[str, Any]:
    """The schedule given for a knob, checked. Raises `BadSchedule`."""

    def refuse(reason: str, what: str, **params: Any) -> BadSchedule:
        return BadSchedule(f"{KEY}.{name}: {what}", KEY, reason=reason, knob=name, **params)

    if name not in entry.knobs_type.model_fields:
        raise refuse("unknown", f"{entry.id} has no such knob")
    if not entry.knobs_type.is_live(name):
        raise refuse("fixed", "a fixed knob cannot follow a schedule; choose a live one")
    if name in entry.knobs_type.looks():
        raise refuse("look", "it touches no training; choose a knob that does")
    numbers = range_of(entry.knobs_type, name)
    if numbers is None:
        raise refuse("no-number", "only a number can follow a schedule")
    try:
        schedule = schedule_adapter.validate_python(told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        setting = str(first["loc"][1]) if len(first["loc"]) > 1 else "kind"
        limits = {k: v for k, v in first.get("ctx", {}).items() if isinstance(v, int | float | str)}
        told_why = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
        reason = first["type"]
        raise refuse(reason, f"{setting}: {told_why}", setting=setting, why=told_why, **limits) from None
    if isinstance(schedule, Plateau):
        known = [*entry.cls.measures]
        known += [n for panel in entry.panels.values() for n in panel.options.get("series", {})]
        heard = schedule.watch or heard_by(entry.cls, name, known)
        if heard not in known:
            names = ", ".join(dict.fromkeys(known))
            raise refuse(
                "unheard",
                f"watch: there is no scalar {heard!r}; there are {names}",
                setting="watch",
                watch=heard,
                names=names,
            )
    low, high, _ = numbers
    for setting, value in schedule.targets():
        if not low <= value <= high:
            raise refuse(
                "out-of-range",
                f"{setting}: {value:g} is outside the knob's range, {low:g} to {high:g}",
                setting=setting,
                value=value,
                low=low,
                high=high,
            )
    return schedule.model_dump(mode="json")
