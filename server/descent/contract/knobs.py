"""Knobs: what the learner may set, with the ranges, texts and roles that the page draws its controls from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic import Field as PydanticField
from pydantic_core import PydanticCustomError

from descent.contract.panels import Range

Role = Literal["look", "task", "rate"]
Grid = list[list[float]]  # rows of equal length: the type of a knob declared with `grid`


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

    @field_validator("*")
    @classmethod
    def _fills_its_grid(cls, value: Any, info: ValidationInfo) -> Any:
        extra = cls.model_fields[info.field_name or ""].json_schema_extra
        if isinstance(extra, dict) and "x-grid" in extra:
            _check_grid(value, extra)
        return value

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
    def rates(cls) -> frozenset[str]:
        """Learning rates: live ones an optimizer's steps are multiplied by."""
        return cls._of_role("rate")

    @classmethod
    def lenders(cls) -> Mapping[str, str]:
        """Knobs that name a recorded run, with the experiment it is of."""
        extras = {name: field.json_schema_extra for name, field in cls.model_fields.items()}
        return {
            name: str(extra["x-recorded"])
            for name, extra in extras.items()
            if isinstance(extra, dict) and "x-recorded" in extra
        }

    @classmethod
    def _of_role(cls, role: Role) -> frozenset[str]:
        return frozenset(
            name
            for name, field in cls.model_fields.items()
            if isinstance(extra := field.json_schema_extra, dict) and extra.get("x-role") == role
        )


def _check_grid(value: Grid, extra: Mapping[str, Any]) -> None:
    (fewest_rows, most_rows), (fewest, most) = extra["x-grid"]
    rows, columns = len(value), len(value[0]) if value else 0
    if any(len(row) != columns for row in value):
        raise PydanticCustomError("grid_uneven", "give every row as many numbers as the first")
    if not (fewest_rows <= rows <= most_rows and fewest <= columns <= most):
        limits = {"rows": rows, "columns": columns, "fewest_rows": fewest_rows, "most_rows": most_rows}
        raise PydanticCustomError(
            "grid_size",
            "give {fewest_rows} to {most_rows} rows of {fewest} to {most} numbers, not {rows} of {columns}",
            {**limits, "fewest": fewest, "most": most},
        )
    low, high = extra["minimum"], extra["maximum"]
    for row, numbers in enumerate(value, 1):
        for column, number in enumerate(numbers, 1):
            if not low <= number <= high:
                raise PydanticCustomError(
                    "grid_range",
                    "row {row}, column {column}: use a number from {low} to {high}",
                    {"row": row, "column": column, "low": low, "high": high},
                )


def _knob(
    default: Any,
    name: str,
    symbol: str = "",
    *,
    live: bool,
    help: str = "",
    unit: str = "",
    range: Range | None = None,
    log: Range | None = None,
    step: float | None = None,
    typical: Range | None = None,
    group: str = "",
    options: Mapping[str, str] | Sequence[str] | None = None,
    when: Mapping[str, Sequence[Any]] | None = None,
    max_length: int | None = None,
    lines: int | None = None,
    canvas: tuple[int, int] | None = None,
    upload: bool = False,
    grid: tuple[tuple[int, int], tuple[int, int]] | None = None,
    inputs: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
    outputs: int | None = None,
    role: Role | None = None,
    data: Sequence[str] = (),
    recorded: str = "",
    own: Literal["text", "table", "images"] | None = None,
    column_of: str = "",
    pictures: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> Any:
    assert not (range and log), f"{name}: its slider is either plain or logarithmic"
    low, high = range or log or (None, None)
    extra: dict[str, Any] = {"x-live": live}
    if grid:
        assert range, f"{name}: a grid needs the range of its numbers"
        default = [[float(number) for number in row] for row in default]
        extra |= {"x-grid": [list(ends) for ends in grid], "minimum": low, "maximum": high}
        low = high = None
    for key, value in {
        "x-symbol": symbol,
        "x-unit": unit,
        "x-step": step,
        "x-log": log is not None,
        "x-typical": typical and list(typical),
        "x-group": group,
        "x-options": options and (dict(options) if isinstance(options, Mapping) else {v: v for v in options}),
        "x-lines": lines,
        "x-canvas": canvas and list(canvas),
        "x-upload": upload,
        "x-inputs": inputs and {k: {o: list(s) for o, s in v.items()} for k, v in inputs.items()},
        "x-outputs": outputs,
        "x-when": when and {k: list(v) for k, v in when.items()},
        "x-role": role,
        "x-data": list(data),
        "x-recorded": recorded,
        "x-own": own,
        "x-column-of": column_of,
        "x-pictures": pictures and {k: [list(point) for point in v] for k, v in pictures.items()},
    }.items():
        if value:
            extra[key] = value
    return PydanticField(
        default=default,
        title=name,
        description=help,
        ge=low,
        le=high,
        max_length=max_length,
        json_schema_extra=extra,
    )


def live(default: Any, name: str, symbol: str = "", **rest: Any) -> Any:
    """A knob that takes effect at the next step.

    `name` is the standard term, `symbol` its letter ("η"). Optional: `help`, one line, here or in the English
    lesson; `range` or `log`: lowest and highest value, on a plain or a logarithmic slider; `step`; `unit`;
    `typical` (the sensible part of the range); `group` (a heading); `options` (label per value of a
    `Literal`, or only the values, which are their own labels); `when` ({other knob: values} for which this
    one matters); `max_length`, `lines` (of the box in which a text is typed); `canvas` (rows and columns of a
    drawing, a text of one hexadecimal digit per pixel, row by row, 0 empty and f full; empty for none);
    `upload` (the drawing may be a picture from a file, too: three digits per pixel, red, green and blue);
    `grid` (the fewest and the most rows, and columns, of a matrix of numbers, whose type is `Grid`:
    `grid=((1, 5), (1, 5))`; `range` is that of each number, `step` what a key adds to one); `inputs` and
    `outputs` (of a list of layers, see `descent.kit.nn.stack`: by another knob and its value the channels,
    height and width of what the first is given, and how many units follow the last); `role` ("rate": a
    learning rate, see `rate`; "look": it touches no training, so it marks, clears and restarts nothing;
    "task": it changes what is to be learnt, the data, the loss or the start, so that a loss before says
    nothing of one after); `data` (its values that are names of data sets to fetch); `recorded` (of a fixed
    one, a text: the id of an experiment with one `model`, of which it names a recorded run, empty for none;
    `build` finds the run in `self.lent`); `own` (of a fixed one, a text: the kind of file that the learner
    brings for it, of which it holds the digest, empty for none; see `descent.kit.data.own`); `column_of` (of
    a fixed one, a text: the knob with a table, of which it names a column, empty for one that fits; see
    `descent.kit.data.columns`); `pictures` (of its values, each as points x, y, label within ±1, see
    `descent.kit.data.planar.pictured`).
    """
    return _knob(default, name, symbol, live=True, **rest)


def fixed(default: Any, name: str, symbol: str = "", **rest: Any) -> Any:
    """A knob that shapes the model or its data: changing it starts a new run. Arguments as for `live`."""
    return _knob(default, name, symbol, live=False, **rest)


def rate(default: float, name: str = "Learning rate", symbol: str = "η", *, log: Range, **rest: Any) -> Any:
    """A learning rate: what an optimizer's steps are multiplied by, alone or with another one."""
    return _knob(default, name, symbol, live=True, log=log, role="rate", **rest)


def batch_of(default: int, most: int, **rest: Any) -> Any:
    """How many samples a step sees, from 1 to `most`."""
    return _knob(default, "Batch size", "B", live=True, log=(1, most), **rest)
