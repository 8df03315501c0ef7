"""Knobs: what the learner may set, with the ranges, texts and roles that the page draws its controls from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import Field as PydanticField

Role = Literal["look", "task"]


class KnobError(ValueError):
    """A knob whose value cannot be used, though it is of the right type: which, and what to do.

    `message` is a fixed text with `{name}` where the value `params[name]` belongs, so that a lesson's
    `[words]` can translate it.
    """

    def __init__(self, knob: str, message: str, **params: Any) -> None:
        super().__init__(f"{knob}: {message.format_map(params)}")
        self.knob = knob
        self.message = message
        self.params = params


class Knobs(BaseModel):
    """Base of every experiment's knobs: immutable, strict about types, no NaN, no unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def is_live(cls, name: str) -> bool:
        """Whether the knob takes effect at the next step."""
        extra = cls.model_fields[name].json_schema_extra
        return isinstance(extra, dict) and extra["x-live"] is True

    @classmethod
    def looks(cls) -> frozenset[str]:
        """The look knobs: live ones that touch no training."""
        return cls._of_role("look")

    @classmethod
    def tasks(cls) -> frozenset[str]:
        """Live knobs that change what is to be learnt: measures before and after cannot be compared."""
        return cls._of_role("task")

    @classmethod
    def _of_role(cls, role: Role) -> frozenset[str]:
        return frozenset(
            name
            for name, field in cls.model_fields.items()
            if isinstance(extra := field.json_schema_extra, dict) and extra.get("x-role") == role
        )


def _knob(
    default: Any,
    *,
    live: bool,
    name: str,
    help: str,
    symbol: str = "",
    unit: str = "",
    ge: float | None = None,
    le: float | None = None,
    step: float | None = None,
    log: bool = False,
    typical: tuple[float, float] | None = None,
    group: str = "",
    options: Mapping[str, str] | None = None,
    when: Mapping[str, Sequence[Any]] | None = None,
    max_length: int | None = None,
    lines: int | None = None,
    canvas: tuple[int, int] | None = None,
    role: Role | None = None,
) -> Any:
    extra: dict[str, Any] = {"x-live": live}
    for key, value in {
        "x-symbol": symbol,
        "x-unit": unit,
        "x-step": step,
        "x-log": log,
        "x-typical": typical and list(typical),
        "x-group": group,
        "x-options": options and dict(options),
        "x-lines": lines,
        "x-canvas": canvas and list(canvas),
        "x-when": when and {k: list(v) for k, v in when.items()},
        "x-role": role,
    }.items():
        if value:
            extra[key] = value
    return PydanticField(
        default=default,
        title=name,
        description=help,
        ge=ge,
        le=le,
        max_length=max_length,
        json_schema_extra=extra,
    )


def live(default: Any, *, name: str, help: str, **rest: Any) -> Any:
    """A knob that takes effect at the next step.

    `name` is the standard term, `help` one line. Optional: `symbol` ("η"), `unit`, `ge`, `le` (the hard
    range), `step`, `log` (a logarithmic slider), `typical` (the sensible part of the range), `group`
    (a heading), `options` (label per value of a `Literal`), `when` ({other knob: values} for which this
    one matters), `max_length`, `lines` (of the box in which a text is typed), `canvas` (rows and columns of
    a drawing, a text of one hexadecimal digit per pixel, row by row, 0 empty and f full; empty for none),
    `role` ("look": it touches no training, so it marks, clears and restarts nothing; "task": it changes what
    is to be learnt, the data, the loss or the start, so that a loss before says nothing of one after).
    """
    return _knob(default, live=True, name=name, help=help, **rest)


def fixed(default: Any, *, name: str, help: str, **rest: Any) -> Any:
    """A knob that shapes the model or its data: changing it starts a new run. Arguments as for `live`."""
    return _knob(default, live=False, name=name, help=help, **rest)
