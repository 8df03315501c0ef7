"""A declaration: the name, knobs and panels of a run, as JSON that comes from another process."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from descent.contract import live as live_knob
from descent.contract.panels import Panel, Picture
from descent.protocol import PANELS_AT_ONCE

PREFIX = "watched-"  # of the experiment's id of every such run
MOST_KNOBS = 96
MOST_SERIES = 64  # of one chart
SERIES_IN_ALL = 256
NAME_LENGTH = 100

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Text = Annotated[str, StringConstraints(max_length=NAME_LENGTH)]
ScalarName = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DeclaredKnob(_Strict):
    """A live knob. `low` and `high` bound a number; a text is one of its `options`; `log`: its slider is.
    `rate`: it is a learning rate; `look`: it changes what is seen, and nothing of training.
    `when`: by other knobs, the values for which this one matters.
    """

    name: Name
    title: Text
    type: Literal["float", "int", "bool", "str"]
    default: float | bool | str
    low: float | None = None
    high: float | None = None
    log: bool = False
    rate: bool = False
    look: bool = False
    options: list[Text] = Field(default=[], max_length=64)
    group: Text = ""
    help: Annotated[str, StringConstraints(max_length=300)] = ""
    when: dict[Name, list[Text]] = Field(default={}, max_length=4)

    @model_validator(mode="after")
    def _holds_its_default(self) -> DeclaredKnob:
        if self.type in ("float", "int"):
            if self.low is None or self.high is None or not self.low < self.high:
                raise ValueError(f"knob {self.name}: a number needs bounds, the lower one first")
            if isinstance(self.default, bool | str) or not self.low <= self.default <= self.high:
                raise ValueError(f"knob {self.name}: {self.default!r} is not within {self.low}…{self.high}")
            if self.log and self.low <= 0:
                raise ValueError(f"knob {self.name}: a logarithmic one has bounds above 0")
            if self.type == "int" and not all(
                float(v).is_integer() for v in (self.low, self.high, self.default)
            ):
                raise ValueError(f"knob {self.name}: its bounds and its value are whole numbers")
        elif self.type == "bool" and not isinstance(self.default, bool):
            raise ValueError(f"knob {self.name}: {self.default!r} is not True or False")
        elif self.type == "str" and self.default not in self.options:
            raise ValueError(f"knob {self.name}: {self.default!r} is not one of its options")
        return self

    def field(self) -> tuple[Any, Any]:
        """Its type, and its field in the pydantic model of the knobs."""
        kind: Any = {"float": float, "int": int, "bool": bool, "str": str}[self.type]
        default: Any = self.default if self.type in ("bool", "str") else kind(self.default)
        role = "rate" if self.rate else "look" if self.look else None
        rest: dict[str, Any] = {"help": self.help, "group": self.group, "role": role}
        if self.when:
            rest["when"] = {name: list(values) for name, values in self.when.items()}
        if self.low is not None and self.high is not None:
            rest["log" if self.log else "range"] = (kind(self.low), kind(self.high))
        if self.type == "str":
            kind = Literal[tuple(self.options)]
            rest["options"] = self.options
        return kind, live_knob(default, self.title, **rest)


class DeclaredPanel(_Strict):
    """A panel. `series`, of scalars alone: the titles by the scalar's name. `group`: see `Panel`."""

    name: Name
    kind: Text
    title: Text
    caption: Annotated[str, StringConstraints(max_length=300)] = ""
    size: Literal["hero", "wide", "small"] = "small"
    series: dict[ScalarName, Text] = Field(default={}, max_length=MOST_SERIES)
    log: bool = False
    group: Literal["", "effects"] = ""

    @model_validator(mode="after")
    def _has_a_known_kind(self) -> DeclaredPanel:
        if self.kind != "scalars" and self.kind not in Picture.kinds:
            known = ", ".join(sorted(Picture.kinds))
            raise ValueError(f"panel {self.name}: there is no kind {self.kind!r}; there are {known}")
        return self

    def panel(self) -> Panel:
        """The panel as an experiment would declare it."""
        options: dict[str, Any] = {}
        if self.kind == "scalars":
            options = {"series": dict(self.series), "log": self.log, "smoothing": 0.0}
        return Panel(
            name=self.name,
            kind=self.kind,
            title=self.title,
            caption=self.caption,
            size=self.size,
            options=options,
            group=self.group,
            coming=self.group == "effects",
        )


class Declaration(_Strict):
    """All that a run says of itself: its name, its knobs, its panels, and what its model is, in a line."""

    name: Text
    model: Annotated[str, StringConstraints(max_length=300)] = ""
    knobs: list[DeclaredKnob] = Field(default=[], max_length=MOST_KNOBS)
    panels: list[DeclaredPanel] = Field(default=[], max_length=PANELS_AT_ONCE)

    @model_validator(mode="after")
    def _has_no_name_twice(self) -> Declaration:
        known = {knob.name for knob in self.knobs}
        for knob in self.knobs:
            if strange := knob.when.keys() - known:
                raise ValueError(f"knob {knob.name}: there is no knob {sorted(strange)[0]}")
        for what, found in (("knob", self.knobs), ("panel", self.panels)):
            names = [one.name for one in found]
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{what} {sorted(twice)[0]}: declared twice")
        if sum(panel.size == "hero" and not panel.group for panel in self.panels) > 1:
            raise ValueError("panels: at most one can be the hero")
        if sum(len(panel.series) for panel in self.panels) > SERIES_IN_ALL:
            raise ValueError(f"panels: at most {SERIES_IN_ALL} scalars can be drawn")
        return self

    @property
    def id(self) -> str:
        """The id of its experiment: all runs of one name have it in common, and can be compared."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:40]
        digest = hashlib.sha256(self.name.encode("utf-8", "replace")).hexdigest()[:8]
        return f"{PREFIX}{slug}-{digest}" if slug else f"{PREFIX}{digest}"
