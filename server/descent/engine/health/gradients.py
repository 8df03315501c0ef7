"""Diagnosis from the gradients of the coming step, and the curvature there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor

from descent.contract import Experiment, Knobs, Objective
from descent.engine.health.causes import leads_uphill, of_silence, of_vanishing, penalty_of
from descent.engine.health.finding import Finding
from descent.engine.health.listening import Listening
from descent.engine.objectives.curvature import Sharpness, curvature_of, norm
from descent.engine.objectives.layers import layers_of, units_of
from descent.engine.objectives.optimizers import bound, rate_of
from descent.engine.observe import borrowed

KNOWN = 3  # examinations after which the usual gradients are known
DEAD_OVER = 5  # batches on which a unit has no gradient, to be called dead
DEAD_SHARE = 0.5  # of a layer's units
VANISHED = 1e-4  # a layer's root mean square gradient, to that of the layer with the largest
NOTHING = 1e-9  # the same of the largest, where training has only begun
EXPLODED = 1e3  # a gradient's norm, to the median of those before
BEYOND = 10.0  # the same, to the largest of the first ones
CLIP = "clip"  # the name of a knob that clips gradients
SAFE = 0.8  # of the rate at the bound: the rate that a remedy sets


class Gradients:
    """The gradients and the curvature of one experiment's objectives, looked at now and then."""

    def __init__(
        self,
        experiment: Experiment[Any],
        listening: Listening,
        coming: Callable[[Knobs], Mapping[str, Sequence[Tensor]]] | None = None,
    ) -> None:
        """`coming`: the steps that the objectives' parameters are about to take."""
        self._experiment = experiment
        self._listening = listening
        self._coming = coming
        self._known: dict[str, int] = {}  # objective → its first parameter: another one is another network
        self._norms: dict[str, list[float]] = {}  # of the gradient, by objective
        self._silent: dict[str, list[Tensor]] = {}  # layer → where a unit had no gradient, lately
        self._from_start: dict[str, bool] = {}  # objective → whether its gradient vanished when first seen
        self._sharpness = Sharpness()
        # By objective: the rate's bound, as of the last look at curvature.
        self._stable_below: dict[str, float] = {}
        self._seen: set[str] = set()  # objectives at the last look
        self._uphill: set[str] = set()  # objectives whose steps lead up

    def forget(self) -> None:
        """Reset after a change of task: nothing before can be compared."""
        self._norms.clear()
        self._silent.clear()
        self._uphill.clear()

    def examine(self, knobs: Knobs) -> list[Finding]:
        """Look at the gradients of the coming step, and at the curvature there."""
        with borrowed(self._experiment):
            objectives = self._experiment.objectives(knobs)
            self._seen = set(objectives)
            return [
                sign
                for name, objective in objectives.items()
                for sign in self._examine(name, objective, knobs)
            ]

    def _examine(self, name: str, objective: Objective, knobs: Knobs) -> list[Finding]:
        self._meet(name, objective)
        gradients = dict(zip(map(id, objective.parameters), curvature_of(objective).gradient(), strict=True))
        by_layer = {layer: [gradients[id(p)] for p in parts] for layer, parts in layers_of(objective).items()}
        where = {"objective": name} if name else {}
        signs = [
            self._exploding(by_layer, objective, name, knobs, where),
            self._vanishing(by_layer, objective, name, knobs, where),
            self._dead(objective, gradients, name, knobs, where),
            *self._climbing(objective, name, knobs, where),
        ]
        return [sign for sign in signs if sign]

    def looks_at(self, name: str) -> bool:
        """Whether the last look saw an objective of this name; a learner that is out has none."""
        return name in self._seen

    def _meet(self, name: str, objective: Objective) -> None:
        """Reset the history of a name that now stands for another network: a knob chooses which."""
        mark = id(objective.parameters[0])
        if self._known.get(name) == mark:
            return
        self._known[name] = mark
        for known in (self._norms, self._from_start):
            known.pop(name, None)
        for layer in [key for key in self._silent if key.startswith(f"{name}/")]:
            del self._silent[layer]

    def _exploding(
        self,
        by_layer: Mapping[str, list[Tensor]],
        objective: Objective,
        name: str,
        knobs: Knobs,
        where: Mapping[str, Any],
    ) -> Finding | None:
        """Above EXPLODED × median and BEYOND × the first norms; the second so that a norm near 0 may grow."""
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
        """The live knob that clips gradients, set to their usual norm; empty if none, or if it clips."""
        now = getattr(knobs, CLIP, None)
        if not isinstance(now, float) or not knobs.is_live(CLIP) or 0 < now <= length:
            return {}
        return {CLIP: float(f"{length:.1e}")}

    def slower(self, knobs: Knobs) -> dict[str, float]:
        """Live learning rates at half their value, or less where curvature or a penalty sets a lower bound;
        none where no rate helps.
        """
        lower: dict[str, float] = {}
        for name, objective in self._experiment.objectives(knobs).items():
            rate = rate_of(objective.optimizer)
            penalty, most = penalty_of(objective)
            limit = min(
                self._stable_below.get(name, math.inf), rate * most / penalty if penalty else math.inf
            )
            if name not in self._uphill:
                lower |= _lower_rate(knobs, rate, min(SAFE * limit, rate / 2))
        return lower

    def cause(self, knobs: Knobs) -> dict[str, Any]:
        """The cause of non-finite numbers, where it is known: steps lead up, or the penalty is too strong for
        the rate.
        """
        if self._uphill:
            return {"cause": "uphill"}
        for objective in self._experiment.objectives(knobs).values():
            penalty, most = penalty_of(objective)
            if penalty > most:
                rate = rate_of(objective.optimizer)
                return {"cause": "penalty", "penalty": penalty, "rate": rate, "below": rate * most / penalty}
        return {}

    def _vanishing(
        self,
        by_layer: Mapping[str, list[Tensor]],
        objective: Objective,
        name: str,
        knobs: Knobs,
        where: Mapping[str, Any],
    ) -> Finding | None:
        sizes = {
            layer: norm(parts) / math.sqrt(sum(part.numel() for part in parts))
            for layer, parts in by_layer.items()
        }
        layer, least = min(sizes.items(), key=lambda item: item[1])
        most = max(sizes.values())
        uneven, nothing = least < VANISHED * most, most < NOTHING
        from_start = self._from_start.setdefault(name, uneven or nothing)
        if len(sizes) < 2 or not (uneven or (nothing and from_start)):
            return None
        if least == 0 and not from_start:  # dead units have a finding of their own
            return None
        limit = VANISHED * most if uneven else NOTHING
        cause = of_vanishing(knobs, layers_of(objective), layer, from_start)
        return Finding("vanishing", {"layer": layer, "value": least, "bound": limit, "cause": cause, **where})

    def _dead(
        self,
        objective: Objective,
        gradients: Mapping[int, Tensor],
        name: str,
        knobs: Knobs,
        where: Mapping[str, Any],
    ) -> Finding | None:
        """A unit whose bias has no gradient at all on several batches is 0, or saturated, on all of them."""
        for layer, bias in units_of(objective).items():
            silent = self._silent.setdefault(f"{name}/{layer}", [])
            silent.append(gradients[id(bias)] == 0)
            del silent[:-DEAD_OVER]
            if len(silent) < DEAD_OVER or any(s.shape != silent[0].shape for s in silent):
                continue
            dead = torch.stack(silent).all(0)
            share = dead.float().mean().item()
            if share > DEAD_SHARE:
                cause = of_silence(knobs, objective, layer, dead)
                params = {"layer": layer, "value": share, "bound": DEAD_SHARE, "cause": cause}
                return Finding("dead-units", {**params, **where})
        return None

    def _climbing(
        self, objective: Objective, name: str, knobs: Knobs, where: Mapping[str, Any]
    ) -> list[Finding]:
        """The cause of a climbing loss; only then: mini-batches are now and then sharper than the whole."""
        if not self._listening.climbing(name):
            return []
        if self._coming is not None and leads_uphill(objective, self._coming(knobs)[name]):
            self._uphill.add(name)
            return [Finding("uphill", where)]
        self._uphill.discard(name)
        sharpness = self._curved(objective, name)
        limit, rate = bound(objective.optimizer), rate_of(objective.optimizer)
        if not math.isfinite(sharpness) or sharpness <= limit:
            return []
        penalty, _ = penalty_of(objective)
        params = {
            "value": sharpness,
            "bound": limit,
            "rate": rate,
            "below": rate * limit / sharpness,
            **where,
        }
        if penalty > sharpness / 2:
            params |= {"cause": "penalty", "penalty": penalty}
        return [Finding("above-edge", params, _lower_rate(knobs, rate, SAFE * rate * limit / sharpness))]


def _lower_rate(knobs: Knobs, rate: float, lower: float) -> dict[str, float]:
    """The knob with this rate, set to the lower one at two digits."""
    for name in type(knobs).model_fields:
        if name in knobs.rates() and math.isclose(getattr(knobs, name), rate):
            return {name: float(f"{lower:.1e}")}
    return {}
