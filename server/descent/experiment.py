"""The experiment contract: what one file must provide to become one thing to learn.

An experiment file holds, in this order: a docstring, `Knobs`, the model, and one subclass of
`Experiment`. It imports no web framework and does nothing heavy when imported. The docstring's first
line is the experiment's title, its first paragraph the summary on the gallery card. Everything the page
needs (knobs, panels, presets) is declared here in English; `lessons/<lang>/<id>.md` brings the text
beside it and the translations. See `docs/adding-an-experiment.md`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args

import torch
from pydantic import BaseModel, ConfigDict
from pydantic import Field as PydanticField

from descent.panels import (
    Attention,
    Bars,
    Contour,
    Field,
    Graph,
    Heatmap,
    Histogram,
    Images,
    Lines,
    Note,
    Ranking,
    Tokens,
    Traces,
    attention,
    bars,
    contour,
    field_map,
    graph,
    heatmap,
    histogram,
    images,
    lines,
    ranking,
    scalars,
    tokens,
    traces,
)

__all__ = [
    "Attention",
    "Bars",
    "Contour",
    "Experiment",
    "Field",
    "Finished",
    "Graph",
    "Heatmap",
    "Histogram",
    "Images",
    "KnobError",
    "Knobs",
    "Lines",
    "Measure",
    "Note",
    "Objective",
    "Preset",
    "Ranking",
    "Scalars",
    "Tokens",
    "Traces",
    "attention",
    "bars",
    "by_layer",
    "contour",
    "field_map",
    "fixed",
    "graph",
    "heatmap",
    "histogram",
    "images",
    "lines",
    "live",
    "ranking",
    "scalars",
    "tokens",
    "traces",
]

Scalars = Mapping[str, float | torch.Tensor]
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


class Finished(Exception):
    """Raised by `step` instead of taking one, when there is nothing more to learn: the run is finished.

    The argument is the reason, a sentence that a lesson's `[words]` can translate; the page adds step and
    epoch. Nothing may have been changed before it is raised.
    """


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


@dataclass(frozen=True)
class Measure:
    """What a scalar says of how training goes; a loss falls and an accuracy rises when all is well.

    `of`: the learner it belongs to, where several are trained side by side, by its objective's name;
    `knobs`: those that act on this learner and not on all, such as its own learning rate; `rival`: the loss
    of a player in a game, which may rise because the other one plays well.
    """

    kind: Literal["loss", "held-out", "accuracy"]
    of: str = ""
    knobs: tuple[str, ...] = ()
    rival: bool = False


@dataclass(frozen=True)
class Preset:
    """One-click settings that make a point: `knobs` over the defaults, `watch` says what to look for."""

    title: str
    knobs: Mapping[str, Any]
    watch: str


K = TypeVar("K", bound=Knobs)


@dataclass(frozen=True)
class Objective:
    """A loss, the parameters an optimizer makes it small by, and that optimizer.

    `loss` computes it on the mini-batch of the coming step, as that step will; the same each time it is
    called, given the same parameters and random numbers. `layers`: parameters by the layer's name, for the
    gradient flow; by default each is its own. `penalty`: λ, where the loss holds λ½‖w‖² of the weights.
    """

    loss: Callable[[], torch.Tensor]
    parameters: Sequence[torch.Tensor]
    optimizer: torch.optim.Optimizer
    layers: Mapping[str, Sequence[torch.Tensor]] | None = None
    penalty: float = 0.0


def by_layer(model: torch.nn.Module) -> dict[str, list[torch.Tensor]]:
    """A model's parameters by the module that holds them."""
    found: dict[str, list[torch.Tensor]] = {}
    for name, parameter in model.named_parameters():
        found.setdefault(name.rpartition(".")[0] or name, []).append(parameter)
    return found


class Experiment(ABC, Generic[K]):
    """One thing to learn.

    The engine creates it, calls `build` once and then `step` over and over; between steps it may call
    probes. `self.step_index` is the number of steps taken so far.
    """

    knobs_type: ClassVar[type[Knobs]]
    order: ClassVar[int] = 0  # place within its chapter
    invite: ClassVar[str]  # the one sentence that invites the first move
    presets: ClassVar[Mapping[str, Preset]] = {}
    measures: ClassVar[Mapping[str, Measure]] = {}  # by scalar; the first loss is the main one
    pace: ClassVar[float | None] = None  # steps per second to begin with; None: as fast as it goes

    def __init__(self, seed: int, device: torch.device) -> None:
        self.seed = seed
        self.device = device
        self.step_index = 0

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Knobs):
                    cls.knobs_type = argument

    @abstractmethod
    def build(self, knobs: K) -> None:
        """Make model, optimizer and data on `self.device`. The global RNG is seeded already."""

    @abstractmethod
    def step(self, knobs: K) -> Scalars:
        """Take exactly one optimisation step and return its scalars by name (`loss/train`, …).

        Values are floats or 0-d tensors. A scalar that is measured only now and then may be left out of
        the other steps. One that is not finite ends the run as diverged. Raises `Finished` where there is
        no further step.
        """

    def changed(self, knobs: K, names: set[str]) -> None:
        """Live knobs `names` were set to the values in `knobs`; called between steps, before the next."""

    def objectives(self, knobs: K) -> Mapping[str, Objective]:
        """What its optimizers make small in the coming step, by name; with one only, the name may be "".

        An experiment that gives this gets the panels on what the learning rate does.
        """
        return {}

    def out(self) -> Collection[str]:
        """Learners that have left the race for good, by the name their measures give them in `of`."""
        return ()

    def steps_per_epoch(self, knobs: K) -> float | None:
        """Steps in one pass over the training data, where that means something."""
        return None

    def generator(self, n: int) -> torch.Generator:
        """A CPU generator whose stream is a pure function of (seed, n): the data order of step n."""
        return torch.Generator().manual_seed((self.seed * 0x9E3779B97F4A7C15 + n + 1) % 2**63)
