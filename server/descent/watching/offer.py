"""What a run offers to the page: its scalars, knobs and panels, and their declaration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from descent.contract import Objective
from descent.declared import Declaration, DeclaredKnob, DeclaredPanel
from descent.declared.messages import MOST_SCALARS
from descent.lessons import read_lesson
from descent.protocol import PANELS_AT_ONCE
from descent.watching import pictures
from descent.watching.batch import Look
from descent.watching.charts import charts
from descent.watching.layers import Layers
from descent.watching.names import identifier, line
from descent.watching.objective import objective_of
from descent.watching.objective import probes as objective_probes
from descent.watching.optimizers import Clipping, Steered, steered
from descent.watching.probes import Internals, Probe


class Knob:
    """A value that can be changed on the page: `value` is the present one."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"<knob {self.name} = {self.value!r}>"


class Offer:
    """All that there is to see and to set of one training. `stale`: something came since it was told;
    `steers`: whether the page may set anything.
    """

    def __init__(
        self, model: nn.Module, optimizers: Sequence[Optimizer], schedulers: Sequence[LRScheduler], name: str
    ) -> None:
        english = read_lesson("en", "watched")
        assert english is not None
        texts: Mapping[str, Any] = english.words
        self.scalars: dict[str, str] = {}  # as the script calls them → as they are told
        self.stale = False
        self.steers = True
        self.name = line(name) or "run"
        self._texts: Mapping[str, Any] = texts["panels"]
        self.model = model
        self.knobs = steered(optimizers, texts["knobs"], schedulers)
        if optimizers:
            self.knobs.append(Clipping(optimizers).knob(texts["knobs"]))
            self.knobs.extend(Layers(model, optimizers).knobs(texts["knobs"]))
        self._probes = Internals(model, self._texts).probes()
        self._own: list[Probe] = []
        self.looks: list[Probe] = []
        self.objective: Objective | None = None
        self._effects: list[Probe] = []
        self._optimizers = list(optimizers)
        self._size = f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters"

    def row(self, scalars: Mapping[str, Any]) -> dict[str, float | Tensor]:
        """The scalars of a step by the names they are told with: numbers, or tensors without dimensions."""
        found: dict[str, float | Tensor] = {}
        for name, value in scalars.items():
            told = self.scalars.get(name) or self.add_scalar(name)
            if isinstance(value, Tensor):
                found[told] = value.detach().reshape(()) if value.ndim else value
            else:
                found[told] = value if type(value) is float else float(value)
        return found

    def add_scalar(self, name: str) -> str:
        """A scalar that was not there before, by the name it is told with. Raises `ValueError`."""
        told = line(name) or "scalar"
        if len(set(self.scalars.values()) | {told}) > MOST_SCALARS:
            raise ValueError(f"{told}: there are {MOST_SCALARS} scalars already")
        self.scalars[name] = told
        self.stale = True
        return told

    def add_knob(self, knob: Knob, changed: Callable[[Any], None] | None, **declared: Any) -> None:
        """A knob of the script's own. Raises `ValueError` where it is not declared well."""
        value = knob.value
        kinds = {bool: "bool", int: "int", str: "str"}
        told = DeclaredKnob.model_validate(
            {
                "name": identifier(knob.name, [one.knob.name for one in self.knobs]),
                "title": line(knob.name),
                "type": next((name for kind, name in kinds.items() if isinstance(value, kind)), "float"),
                "default": value,
                **declared,
            }
        )

        def write(new: Any) -> None:
            if changed is not None:
                changed(new)
            knob.value = new

        if self.steers:
            self.knobs.append(Steered(told, lambda: knob.value, write))
        self.stale = True

    def lock(self) -> None:
        """Have the page set nothing."""
        self.knobs, self.steers = [], False

    def add_panel(self, name: str, kind: str, make: Callable[[], Any]) -> None:
        """A panel of what a function of the script's makes."""
        picture, turn = pictures.KINDS[kind]
        taken = [probe.panel.name for probe in self._own]
        panel = DeclaredPanel(name=identifier(f"own_{name}", taken), kind=picture, title=line(name))
        self._own.append(Probe(panel, lambda: turn(make())))
        self.stale = True

    def look(self, batch: Any, tokens: Sequence[str] | None) -> bool:
        """Panels of what the model makes of a batch; whether there are any. Passes the batch through it."""
        self.looks = Look(self.model, batch, tokens).probes(self._texts)
        self.stale = True
        return bool(self.looks)

    def add_objective(self, loss: Callable[[], Tensor], optimizer: Optimizer | None) -> None:
        """Panels on what the learning rate does to a loss. Raises `ValueError` where it cannot be told."""
        chosen = optimizer or next(iter(self._optimizers), None)
        if chosen is None:
            raise ValueError("there is no optimizer: give it to descent.watch() or here")
        found = loss()
        if not isinstance(found, Tensor) or found.numel() != 1 or not found.requires_grad:
            raise ValueError("it has to return the loss: a tensor with one number, computed by the model")
        self.objective = objective_of(self.model, chosen, loss)
        self._effects = objective_probes()
        self.stale = True

    def declaration(self) -> Declaration:
        """All of it, as it is told."""
        shown = charts(self.scalars.values(), self._texts)
        kinds = (self.looks, self._own, self._probes, self._effects)
        first, own, rest, effects = ([probe.panel for probe in some] for some in kinds)
        return Declaration(
            name=self.name,
            model=self._size[:300],
            knobs=[one.knob for one in self.knobs],
            panels=[*shown[:1], *first, *own, *shown[1:], *rest, *effects][:PANELS_AT_ONCE],
        )

    @property
    def writers(self) -> dict[str, Callable[[Any], None]]:
        """What writes each knob's value."""
        return {one.knob.name: one.write for one in self.knobs}

    @property
    def readers(self) -> dict[str, Callable[[], Any]]:
        """What reads each knob's value, within its bounds: the script may write it, too."""
        return {one.knob.name: partial(_within, one) for one in self.knobs}

    @property
    def probes(self) -> dict[str, Probe]:
        """What computes each panel's picture."""
        return {probe.panel.name: probe for probe in [*self.looks, *self._own, *self._probes, *self._effects]}


def _within(steered: Steered) -> Any:
    value, low, high = steered.read(), steered.knob.low, steered.knob.high
    return value if low is None or high is None else min(max(value, low), high)
