"""Checks knob values that come from outside, with errors that name the knob and the fix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from descent.errors import BadKnob, FixedKnob
from descent.experiment import KnobError, Knobs
from descent.registry import Entry


def check(
    entry: Entry,
    values: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    fixed_too: bool = False,
) -> dict[str, Any]:
    """All knobs, JSON-ready: `values` over `before`, or over the defaults.

    Raises `BadKnob` for an unknown name or a bad value, `FixedKnob` for a fixed knob when `before` is given
    and not `fixed_too`.
    """
    known = entry.knobs_type.model_fields
    for name in values:
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
    try:
        checked: Knobs = entry.knobs_type.model_validate_json(json.dumps({**(before or {}), **values}))
    except ValidationError as error:
        raise _explain(error) from error
    return checked.model_dump(mode="json")


def _explain(error: ValidationError) -> BadKnob:
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    if isinstance(cause := context.get("error"), KnobError):
        return BadKnob(str(cause), cause.knob, reason="refused", message=cause.message, **cause.params)
    path = [str(part) for part in first["loc"]] or ["knobs"]
    given = repr(first["input"])
    given = given if len(given) <= 60 else given[:57] + "…"
    limits = {k: v for k, v in context.items() if isinstance(v, int | float | str)}
    detail = f"{'.'.join(path)}: {first['msg']} (given: {given})"
    return BadKnob(detail, path[0], reason=first["type"], given=given, **limits)
