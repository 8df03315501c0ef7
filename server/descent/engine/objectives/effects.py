"""The panels on what the learning rate does, for every experiment that names its objectives.

They look at the coming step: it is really taken, with the optimizer's own rule and moments, and taken back
(see `checkpoint.py`). So each is exact for the step that training then takes, and changes no number.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from descent.contract import Experiment, Finished, Knobs, Objective
from descent.contract.panels import Lines, Panel, Picture, Range, Size, panels_of, says
from descent.engine.checkpoint import Checkpointer
from descent.engine.objectives.curvature import Sharpness, Vector, curvature_of, dot, norm
from descent.engine.objectives.layers import layers_of, units_of
from descent.engine.objectives.optimizers import bound, is_yet_to_rescale, rate_of, stable_rate
from descent.engine.observe import borrowed
from descent.kit.history import History
from descent.kit.text import rough, term

GROUP = "effects"
BELOW_ROUNDING = "No rate lowers the loss by more than rounding."
ABOVE = "η is {times} times the largest stable one: steps overshoot."
BELOW = "η could be {times} times larger before steps overshoot."
FLOW = "{least} hears {times} times less of the loss than {most}."
UPDATE = "{most} moves by {percent}% of its size in a step."
SILENT_NOW = "{layer}: {percent}% of the units are silent."
ALIVE = "Every unit gets a gradient."
ONWARD = "The slope keeps its direction: a longer step would do."
BACK = "The slope turns back: the step goes beyond the bottom."
RATES = torch.logspace(-5, 1, 48, dtype=torch.float64).tolist()
STRAIGHT, TURNED = 0.9, 0.1  # cosines: a longer step would do; the step overshot
SILENT = 1e-3  # of the layer's largest gradient: a unit with less is silent
SILENT_OVER = 4  # looks in a row
ITERATIONS = 20  # of the power iteration, at most; it goes on from the last look's eigenvector


Look = Callable[["Effects", Knobs], Lines]


class GaveUp(Exception):
    """A look was given up: something more urgent waits."""


def effect(title: str, caption: str, size: Size = "small") -> Callable[[Look], Look]:
    """Declares the panel of a method of `Effects`."""

    def mark(look: Look) -> Look:
        look.__dict__["panel"] = Panel(
            name=look.__name__,
            kind=Lines.kind,
            title=title,
            caption=caption,
            size=size,
            options={},
            group=GROUP,
            coming=True,
            recorded=False,
        )
        return look

    return mark


class Coming(NamedTuple):
    """The coming step: Δθ, and the learning rate it is taken with."""

    step: Vector
    rate: float


class Effects:
    """Looks at the objectives of one experiment."""

    def __init__(
        self,
        experiment: Experiment[Any],
        checkpointer: Checkpointer,
        *,
        pressed: Callable[[], bool] = lambda: False,
    ) -> None:
        """`pressed` is asked before each evaluation of a loss: where it says yes, the look is given up."""
        self._experiment = experiment
        self._checkpointer = checkpointer
        self._pressed = pressed
        self._histories = {name: History() for name in PANELS}
        self._sharpness = Sharpness()
        self._silent: dict[
            str, list[Tensor]
        ] = {}  # layer → which of its units were silent, at the last looks
        self._coming: tuple[tuple[int, Knobs], dict[str, Coming]] | None = None
        self._curvatures: tuple[tuple[int, Knobs], dict[str, float]] | None = None

    def look(self, panel: str, knobs: Knobs) -> Picture:
        """One panel's picture. The experiment is left unchanged. Raises `GaveUp`."""
        look: Callable[[Knobs], Picture] = getattr(self, panel)
        with borrowed(self._experiment):
            return look(knobs)

    def coming(self, knobs: Knobs) -> dict[str, Vector]:
        """The coming step's update Δθ, by objective."""
        return {name: coming.step for name, coming in self._steps(knobs).items()}

    @effect(
        "What if the rate were …?",
        "The loss after the coming step, for each η. Right of “critical”, if it is marked, it rises.",
        "hero",
    )
    def what_if(self, knobs: Knobs) -> Lines:
        """The loss by learning rate, along the coming step."""
        values, marks, ranges, notes = [], [], [], []
        objectives, steps = self._objectives(knobs), self._steps(knobs)
        curvatures = self._sharpnesses(knobs)
        for name, objective in objectives.items():
            step, rate = steps[name]
            direction = [part / rate for part in step] if rate else step
            found = curvature_of(objective).what_if(direction, RATES)
            values.append([found.losses, [found.before] * len(RATES)])
            places = [
                ("now", rate),
                ("best for this one step", found.best),
                ("critical", found.critical),
                ("η stable below", stable_rate(objective.optimizer, curvatures[name])),
            ]
            marks.append([(word, at) for word, at in places if math.isfinite(at) and at > 0])
            ranges.append(_around(found.losses, found.before))
            notes.append(BELOW_ROUNDING if found.lost_in_rounding and rate else "")
        picture = Lines(
            x=np.array(RATES, np.float32),
            values=_finite(np.array(values)),
            groups=list(objectives),
            series=["after the step", "now"],
            x_label="η",
            x_log=True,
            marks=marks,
            notes=notes,
            y_ranges=ranges,
        )
        limits = [
            (steps[name].rate, stable_rate(objective.optimizer, curvatures[name]))
            for name, objective in objectives.items()
        ]
        (rate, stable), *others = limits
        if others or not (rate > 0 and 0 < stable < math.inf):
            return picture
        if rate > stable:
            return says(picture, ABOVE, times=rough(rate / stable))
        return says(picture, BELOW, times=rough(stable / rate))

    @effect(
        "Sharpness",
        "The largest curvature against the bound that η sets. Above it, steps overshoot.",
    )
    def sharpness(self, knobs: Knobs) -> Lines:
        """The Hessian's top eigenvalue, preconditioned as the optimizer does, against its bound."""
        objectives, curvatures = self._objectives(knobs), self._sharpnesses(knobs)
        rows = [[curvatures[name], bound(one.optimizer)] for name, one in objectives.items()]
        return self._running("sharpness", list(objectives), ["λ", "λ stable below"], rows, log=True)

    def _sharpnesses(self, knobs: Knobs) -> dict[str, float]:
        """By objective, the sharpness at this step: measured once for all panels, so that they agree."""
        now = (self._experiment.step_index, knobs)
        if self._curvatures is None or self._curvatures[0] != now:
            found = {
                name: math.nan  # its preconditioner comes with the first step
                if is_yet_to_rescale(objective.optimizer, objective.parameters)
                else self._sharpness.look(name, objective, first=ITERATIONS, then=ITERATIONS)
                for name, objective in self._objectives(knobs).items()
            }
            self._curvatures = now, found
        return self._curvatures[1]

    @effect(
        "Gradient flow",
        "‖∇L‖ per layer. A layer far below the others hardly learns.",
    )
    def gradient_norms(self, knobs: Knobs) -> Lines:
        """‖∇L‖ of each layer."""
        objectives = self._objectives(knobs)
        gradients = {name: curvature_of(objective).gradient() for name, objective in objectives.items()}
        picture = self._by_layer("gradient_norms", objectives, gradients, lambda g, weights: norm(g))
        sizes = _last(picture)
        least, most = (
            min(sizes, key=sizes.__getitem__, default=""),
            max(sizes, key=sizes.__getitem__, default=""),
        )
        if len(sizes) < 2 or not sizes[least] > 0:
            return picture
        return says(picture, FLOW, least=least, most=most, times=rough(sizes[most] / sizes[least]))

    @effect(
        "Anatomy of a step",
        "Slope and curvature predict the change of the loss. Where they fail, the step is too long.",
        "wide",
    )
    def anatomy(self, knobs: Knobs) -> Lines:
        """First- and second-order prediction of the loss's change in the coming step, and the change."""
        rows, notes = [], []
        objectives, steps = self._objectives(knobs), self._steps(knobs)
        for name, objective in objectives.items():
            found = curvature_of(objective).anatomy(steps[name].step)
            rows.append([found.first, found.first + found.second, found.actual])
            terms = [term(v) for v in (found.first, found.second, found.first + found.second, found.actual)]
            notes.append("ΔL ≈ ∇L·Δθ + ½ΔθᵀHΔθ = {} + {} = {},  ΔL = {}".format(*terms))
        series = ["∇L·Δθ", "∇L·Δθ + ½ΔθᵀHΔθ", "ΔL"]
        return self._running("anatomy", list(objectives), series, rows, notes=notes)

    @effect(
        "Update per weight",
        "‖Δθ‖ / ‖θ‖ of the coming step, per layer. About 0.001 is healthy.",
    )
    def update_ratios(self, knobs: Knobs) -> Lines:
        """‖Δθ‖ / ‖θ‖ of each layer, in the coming step."""
        steps = {name: coming.step for name, coming in self._steps(knobs).items()}

        def ratio(step: Vector, weights: Sequence[Tensor]) -> float:
            length = norm(weights)
            return norm(step) / length if length else math.nan

        picture = self._by_layer("update_ratios", self._objectives(knobs), steps, ratio)
        sizes = _last(picture)
        if not sizes:
            return picture
        most = max(sizes, key=sizes.__getitem__)
        return says(picture, UPDATE, most=most, percent=rough(100 * sizes[most]))

    @effect(
        "Silent units",
        "Share of a layer's units that got next to no gradient lately: dead, or saturated.",
        "wide",
    )
    def silent_units(self, knobs: Knobs) -> Lines:
        """The share of each layer's units (one per bias) that were silent at the last looks."""
        rows: list[list[float]] = []
        names: list[str] = []
        objectives = self._objectives(knobs)
        found = {name: curvature_of(objective).gradient() for name, objective in objectives.items()}
        for name, objective in objectives.items():
            parts = zip(objective.parameters, found[name], strict=True)
            gradients = {id(parameter): gradient for parameter, gradient in parts}
            units = units_of(objective)
            row = [self._share(f"{name}/{layer}", gradients[id(bias)]) for layer, bias in units.items()]
            names = max(names, list(units), key=len)
            rows.append(row)
        names = names or [""]
        values = [row + [math.nan] * (len(names) - len(row)) for row in rows]
        picture = self._running("silent_units", list(objectives), names, values, y_range=(0.0, 1.0))
        shares = _last(picture)
        most = max(shares, key=shares.__getitem__, default="")
        if not shares or not most:
            return picture
        return (
            says(picture, SILENT_NOW, layer=most, percent=rough(100 * shares[most]))
            if shares[most]
            else says(picture, ALIVE)
        )

    def _share(self, layer: str, gradient: Tensor) -> float:
        sizes = gradient.detach().abs()
        seen = self._silent.setdefault(layer, [])
        if seen and seen[-1].shape != sizes.shape:
            seen.clear()
        seen.append(sizes <= SILENT * sizes.max())
        del seen[:-SILENT_OVER]
        return float(torch.stack(seen).all(0).float().mean())

    @effect(
        "Does the slope turn?",
        "Cosine of ∇L before and after the step. Near 1 a longer one would do; below 0 it overshoots.",
    )
    def turn(self, knobs: Knobs) -> Lines:
        """The cosine of the angle between the gradients before and after the coming step."""
        rows = []
        objectives, steps = self._objectives(knobs), self._steps(knobs)
        for name, objective in objectives.items():
            before, after = curvature_of(objective).around(steps[name].step)
            length = norm(before) * norm(after)
            rows.append([dot(before, after) / length if length else math.nan])
        picture = self._running("turn", list(objectives), ["cos"], rows, y_range=(-1.05, 1.05))
        cosines = list(_last(picture).values())
        if not cosines or -TURNED < cosines[0] < STRAIGHT:
            return picture
        return says(picture, ONWARD if cosines[0] > 0 else BACK)

    def _by_layer(
        self,
        panel: str,
        objectives: Mapping[str, Objective],
        vectors: Mapping[str, Vector],
        measure: Callable[[Vector, Sequence[Tensor]], float],
    ) -> Lines:
        """One number per layer; networks of fewer layers than the largest leave the rest out."""
        names = max((list(layers_of(objective)) for objective in objectives.values()), key=len)
        rows = []
        for name, objective in objectives.items():
            parts = dict(zip(map(id, objective.parameters), vectors[name], strict=True))
            row = [
                measure([parts[id(parameter)] for parameter in layer], layer)
                for layer in layers_of(objective).values()
            ]
            rows.append(row + [math.nan] * (len(names) - len(row)))
        return self._running(panel, list(objectives), names, rows, log=True)

    def _running(
        self,
        panel: str,
        groups: Sequence[str],
        series: Sequence[str],
        rows: Sequence[Sequence[float]],
        *,
        notes: Sequence[str] = (),
        log: bool = False,
        y_range: Range | None = None,
    ) -> Lines:
        history = self._histories[panel]
        history.add(self._experiment.step_index, np.array(rows, np.float64))
        x, values = history.columns()
        return Lines(
            x=x,
            values=_finite(values),
            groups=groups,
            series=series,
            x_label="step",
            y_log=log,
            notes=notes,
            y_ranges=[y_range] * len(groups) if y_range else (),
        )

    def _objectives(self, knobs: Knobs) -> Mapping[str, Objective]:
        found = self._experiment.objectives(knobs)
        return {name: replace(one, loss=self._unless_pressed(one.loss)) for name, one in found.items()}

    def _unless_pressed(self, loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def evaluate() -> Tensor:
            if self._pressed():
                raise GaveUp
            return loss()

        return evaluate

    def _steps(self, knobs: Knobs) -> dict[str, Coming]:
        """The coming step of each objective: taken, measured and undone."""
        now = (self._experiment.step_index, knobs)
        if self._coming is None or self._coming[0] != now:
            self._coming = now, self._rehearse(knobs)
        return self._coming[1]

    @contextlib.contextmanager
    def _step_taken(self, knobs: Knobs) -> Iterator[None]:
        """Context in which the coming step was taken; afterwards all is as before."""
        with self._checkpointer.rehearsal():
            with contextlib.suppress(Finished):  # then nothing moves
                self._experiment.step(knobs)
            yield

    def _rehearse(self, knobs: Knobs) -> dict[str, Coming]:
        objectives = self._objectives(knobs)
        before = {name: [p.detach().clone() for p in o.parameters] for name, o in objectives.items()}
        gradients = [(p, p.grad) for o in objectives.values() for p in o.parameters]
        for parameter, _ in gradients:
            parameter.grad = None  # the step makes its own, and writes into none that a panel shows
        try:
            with self._step_taken(knobs):
                return {
                    name: Coming(
                        [p.detach() - b for p, b in zip(o.parameters, before[name], strict=True)],
                        rate_of(o.optimizer),
                    )
                    for name, o in objectives.items()
                }
        finally:
            for parameter, gradient in gradients:
                parameter.grad = gradient


def _last(picture: Lines) -> dict[str, float]:
    """The newest finite value by series, of a picture about a single objective; else nothing."""
    values = np.asarray(picture.values)
    if len(picture.groups) != 1 or not values.shape[-1]:
        return {}
    newest = values.reshape(len(picture.series), -1)[:, -1]
    return {name: float(v) for name, v in zip(picture.series, newest, strict=True) if math.isfinite(v)}


def _finite(values: np.ndarray) -> np.ndarray:
    """Values as float32, NaN for those a chart cannot show."""
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(np.float32)
    return np.where(np.isfinite(narrow), narrow, np.float32(np.nan))


def _around(losses: Sequence[float], before: float) -> tuple[float, float]:
    """The y range: from the lowest loss to about as far above `before`; at least a tenth of its size."""
    lowest = min((loss for loss in losses if math.isfinite(loss)), default=before)
    drop = max(before - lowest, 0.1 * abs(before), 1e-12)
    return before - 1.15 * drop, before + 1.5 * drop


PANELS = panels_of(Effects)
