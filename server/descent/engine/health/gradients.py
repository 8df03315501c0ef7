"""What the gradients of the coming step say, and the curvature there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

import torch
from torch import Tensor

from descent.engine.curvature import norm
from descent.engine.effects import Sharpness, bound, curvature_of, layers_of, rate_of, units_of
from descent.engine.health.finding import Finding
from descent.engine.health.listening import Listening
from descent.engine.observe import borrowed
from descent.experiment import Experiment, Knobs, Objective

KNOWN = 3  # examinations after which it is known what gradients are like
DEAD_OVER = 5  # batches on which a unit has no gradient, to be called dead
DEAD_SHARE = 0.5  # of a layer's units
VANISHED = 1e-4  # a layer's root mean square gradient, to that of the layer with the largest
EXPLODED = 1e3  # a gradient's norm, to the median of those before
BEYOND = 10.0  # the same, to the largest of the first ones
CLIP = "clip"  # what a knob that clips gradients is called
SAFE = 0.8  # of the rate at the bound: what a remedy sets


class Gradients:
    """The gradients and the curvature of one experiment's objectives, looked at now and then."""

    def __init__(self, experiment: Experiment[Any], listening: Listening) -> None:
        self._experiment = experiment
        self._listening = listening
        self._norms: dict[str, list[float]] = {}  # of the gradient, by objective
        self._silent: dict[str, list[Tensor]] = {}  # layer → where a unit had no gradient, lately
        self._sharpness = Sharpness()
        # Rate as it was when curvature was last looked at → the bound
        self._stable_below: dict[str, float] = {}

    def forget(self) -> None:
        """A knob was changed: all is judged anew."""
        self._norms.clear()
        self._silent.clear()

    def examine(self, knobs: Knobs) -> list[Finding]:
        """Look at the gradients of the coming step, and at the curvature there."""
        with borrowed(self._experiment):
            return [
                sign
                for name, objective in self._experiment.objectives(knobs).items()
                for sign in self._examine(name, objective, knobs)
            ]

    def _examine(self, name: str, objective: Objective, knobs: Knobs) -> list[Finding]:
        gradients = dict(zip(map(id, objective.parameters), curvature_of(objective).gradient(), strict=True))
        by_layer = {layer: [gradients[id(p)] for p in parts] for layer, parts in layers_of(objective).items()}
        where = {"objective": name} if name else {}
        signs = [
            self._exploding(by_layer, objective, name, knobs, where),
            self._vanishing(by_layer, where),
            self._dead(units_of(objective), gradients, name, where),
            self._above_edge(objective, name, knobs, where),
        ]
        return [sign for sign in signs if sign]

    def _exploding(
        self,
        by_layer: Mapping[str, list[Tensor]],
        objective: Objective,
        name: str,
        knobs: Knobs,
        where: Mapping[str, Any],
    ) -> Finding | None:
        """Far above its median, and above all it was in the beginning: one that was almost 0 may grow."""
        lengths = {layer: norm(parts) for layer, parts in by_layer.items()}
        length = math.hypot(*lengths.values())
        before = self._norms.setdefault(name, [])
        known = len(before) >= KNOWN
        limit = max(EXPLODED * median(before), BEYOND * max(before[:KNOWN])) if known else math.inf
        if math.isfinite(length):
            before.append(length)
        if not length > limit:
            return None
        layer = max(lengths, key=lengths.__getitem__)
        params = {"layer": layer, "value": length, "bound": limit, **where}
        self._curved(objective, name)
        return Finding("exploding", params, self._clipped(median(before), knobs) or self.slower(knobs))

    def _curved(self, objective: Objective, name: str) -> float:
        """The sharpness, which sets a bound to the learning rate."""
        sharpness = self._sharpness.look(name, objective, first=10, then=3)
        if math.isfinite(sharpness) and sharpness > 0:
            rate = rate_of(objective.optimizer)
            self._stable_below[name] = rate * bound(objective.optimizer) / sharpness
        return sharpness

    def _clipped(self, length: float, knobs: Knobs) -> dict[str, float]:
        """The live knob that clips gradients, set to what they were like before."""
        now = getattr(knobs, CLIP, None)
        if not isinstance(now, float) or not knobs.is_live(CLIP) or 0 < now <= length:
            return {}
        return {CLIP: float(f"{length:.1e}")}

    def slower(self, knobs: Knobs) -> dict[str, float]:
        """Live learning rates at half of what they are, or less where curvature last set a lower bound."""
        lower: dict[str, float] = {}
        for name, objective in self._experiment.objectives(knobs).items():
            rate = rate_of(objective.optimizer)
            limit = self._stable_below.get(name, math.inf)
            lower |= _lower_rate(knobs, rate, min(SAFE * limit, rate / 2))
        return lower

    def _vanishing(self, by_layer: Mapping[str, list[Tensor]], where: Mapping[str, Any]) -> Finding | None:
        sizes = {
            layer: norm(parts) / math.sqrt(sum(part.numel() for part in parts))
            for layer, parts in by_layer.items()
        }
        layer, least = min(sizes.items(), key=lambda item: item[1])
        most = max(sizes.values())
        if len(sizes) < 2 or least == 0 or not least < VANISHED * most:
            return None
        return Finding("vanishing", {"layer": layer, "value": least, "bound": VANISHED * most, **where})

    def _dead(
        self,
        units: Mapping[str, Tensor],
        gradients: Mapping[int, Tensor],
        name: str,
        where: Mapping[str, Any],
    ) -> Finding | None:
        """A unit whose bias has no gradient at all on several batches is 0, or saturated, on all of them."""
        for layer, bias in units.items():
            silent = self._silent.setdefault(f"{name}/{layer}", [])
            silent.append(gradients[id(bias)] == 0)
            del silent[:-DEAD_OVER]
            if len(silent) < DEAD_OVER or any(s.shape != silent[0].shape for s in silent):
                continue
            share = torch.stack(silent).all(0).float().mean().item()
            if share > DEAD_SHARE:
                return Finding("dead-units", {"layer": layer, "value": share, "bound": DEAD_SHARE, **where})
        return None

    def _above_edge(
        self, objective: Objective, name: str, knobs: Knobs, where: Mapping[str, Any]
    ) -> Finding | None:
        """Only while the loss gets worse: mini-batches are now and then sharper than the whole."""
        if not self._listening.climbing(name):
            return None
        sharpness = self._curved(objective, name)
        limit, rate = bound(objective.optimizer), rate_of(objective.optimizer)
        if not math.isfinite(sharpness) or sharpness <= limit:
            return None
        params = {"value": sharpness, "bound": limit, "rate": rate, **where}
        return Finding("above-edge", params, _lower_rate(knobs, rate, SAFE * rate * limit / sharpness))


def _lower_rate(knobs: Knobs, rate: float, lower: float) -> dict[str, float]:
    """The live knob that is this rate, set to a lower one of two digits."""
    for name in type(knobs).model_fields:
        value = getattr(knobs, name)
        if "lr" in name and isinstance(value, float) and math.isclose(value, rate) and knobs.is_live(name):
            return {name: float(f"{lower:.1e}")}
    return {}
