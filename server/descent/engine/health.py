"""Watches how a run is doing, and says what goes wrong, where, and by how much.

Two kinds of signs. Scalars, as they are flushed: cheap, and none is missed. Gradients and curvature, now and
then, within a share of the time. A finding is told once, and again only after a knob was changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from descent.engine.curvature import norm
from descent.engine.effects import Sharpness, bound, curvature_of, layers_of, rate_of, units_of
from descent.engine.observe import borrowed
from descent.experiment import Experiment, Knobs, Objective

SMOOTH = 0.98  # weight of the past in running means of scalars
BEGUN = 20  # values of which a mean is a beginning
SETTLED = 200  # steps after which a running mean says something
CONFIRMED = 3  # examinations in a row that must agree
DEAD_OVER = 5  # batches on which a unit has no gradient, to be called dead
DEAD_SHARE = 0.5  # of a layer's units
VANISHED = 1e-4  # a layer's root mean square gradient, to that of the layer with the largest
EXPLODED = 1e3  # a gradient's norm, to the median of those before
BEYOND = 10.0  # the same, to the largest of the first ones
STUCK_AFTER = 5000  # steps
STUCK_AT = 0.98  # of the loss it began with
WORSE = 1.5  # the running mean of the loss, to its lowest
OVERFIT = 1.3  # the loss on unseen data, to its lowest
OVERPOWERED = 0.02  # what D takes for real of what is not, and misses of what is
CLIP = "clip"  # what a knob that clips gradients is called
COLLAPSED = 0.4  # distance of samples from each other, to that of real ones
TRAINING = ("loss/train", "bits/train")
UNSEEN = ("loss/validation", "loss/test", "bits/held-out")
HEARD = frozenset((*TRAINING, *UNSEEN, "d/real", "d/fake", "diversity"))
HARM = frozenset({"exploding", "above-edge", "dead-units", "d-overpowers", "mode-collapse"})
SAFE = 0.8  # of the rate at the bound: what a remedy sets


@dataclass(frozen=True)
class Finding:
    """What goes wrong. `params`: the measured values and their bound, and where it is worth going back, the
    step after which all was well; `remedy`: knobs that may help.
    """

    code: str
    params: Mapping[str, Any]
    remedy: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Mean:
    """A running mean, how many values it has seen, and its lowest with its step."""

    value: float = 0.0
    seen: int = 0
    first: float = math.nan
    lowest: float = math.inf
    lowest_at: int = 0

    def add(self, step: int, values: Sequence[float]) -> None:
        """Values of consecutive steps up to `step`, as if one after the other."""
        count = len(values)
        self.seen += count
        weight = min(SMOOTH**count, 1 - count / self.seen)
        self.value = weight * self.value + (1 - weight) * sum(values) / count
        if self.seen >= BEGUN:
            if math.isnan(self.first):
                self.first = self.value
            if self.value < self.lowest:
                self.lowest, self.lowest_at = self.value, step


class Health:
    """One run's state of health."""

    def __init__(self, experiment: Experiment[Any]) -> None:
        self._experiment = experiment
        self._means: dict[str, _Mean] = {}
        self._told: set[str] = set()
        self._agreed: dict[str, int] = {}  # examinations in a row that saw a sign
        self._norms: dict[str, list[float]] = {}  # of the gradient, by objective
        self._silent: dict[str, list[Tensor]] = {}  # layer → where a unit had no gradient, lately
        self._sharpness = Sharpness()
        self._well_at = experiment.step_index  # where nothing was found
        self._stable_below: dict[
            str, float
        ] = {}  # rate as it was when curvature was last looked at → the bound

    def changed(self) -> None:
        """A knob was changed: what was told may be told again, and is judged anew."""
        self._told.clear()
        self._agreed.clear()
        self._norms.clear()
        self._silent.clear()
        self._means.clear()

    # Scalars

    def hear(
        self, steps: Sequence[int], columns: Mapping[str, Sequence[float]], knobs: Knobs
    ) -> list[Finding]:
        """Scalars of consecutive steps."""
        for name in HEARD & columns.keys():
            measured = [value for value in columns[name] if value == value]
            if measured:
                self._means.setdefault(name, _Mean()).add(steps[-1], measured)
        signs = [self._stuck(), self._overfitting(), self._overpowered(), self._collapsed()]
        return self._news([sign for sign in signs if sign])

    def _of(self, names: Sequence[str]) -> tuple[str, _Mean] | None:
        found = next((name for name in names if name in self._means), None)
        return (found, self._means[found]) if found else None

    def _stuck(self) -> Finding | None:
        found = self._of(TRAINING)
        if found is None or found[1].seen < STUCK_AFTER or not found[1].first > 0:
            return None
        name, mean = found
        if mean.lowest < STUCK_AT * mean.first:
            return None
        params = {"scalar": name, "value": mean.value, "bound": STUCK_AT * mean.first, "steps": mean.seen}
        return Finding("stuck", params)

    def _overfitting(self) -> Finding | None:
        seen, unseen = self._of(TRAINING), self._of(UNSEEN)
        if not seen or not unseen or unseen[1].seen < SETTLED // 4 or unseen[1].lowest <= 0:
            return None
        name, mean = unseen
        if mean.value < OVERFIT * mean.lowest or seen[1].value > 0.9 * mean.lowest:
            return None
        params = {
            "scalar": name,
            "value": mean.value,
            "bound": OVERFIT * mean.lowest,
            "since": mean.lowest_at,
        }
        return Finding("overfitting", params)

    def _overpowered(self) -> Finding | None:
        real, fake = self._means.get("d/real"), self._means.get("d/fake")
        if not real or not fake or real.seen < SETTLED:
            return None
        if real.value > 1 - OVERPOWERED and fake.value < OVERPOWERED:
            return Finding("d-overpowers", {"real": real.value, "fake": fake.value, "bound": OVERPOWERED})
        return None

    def _collapsed(self) -> Finding | None:
        diversity = self._means.get("diversity")
        if not diversity or diversity.seen < 2 * SETTLED or diversity.value >= COLLAPSED:
            return None
        return Finding("mode-collapse", {"value": diversity.value, "bound": COLLAPSED})

    # Gradients and curvature

    def examine(self, knobs: Knobs) -> list[Finding]:
        """Look at the gradients of the coming step, and at the curvature there."""
        with borrowed(self._experiment):
            signs = [
                sign
                for name, objective in self._experiment.objectives(knobs).items()
                for sign in self._examine(name, objective, knobs)
            ]
        seen = {sign.code for sign in signs}
        if not seen:
            self._well_at = self._experiment.step_index
        for code in {*self._agreed, *seen}:
            self._agreed[code] = self._agreed.get(code, 0) + 1 if code in seen else 0
        return self._news([sign for sign in signs if self._agreed[sign.code] >= CONFIRMED])

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
        known = len(before) >= CONFIRMED
        limit = max(EXPLODED * median(before), BEYOND * max(before[:CONFIRMED])) if known else math.inf
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
        found = self._of(TRAINING)
        if found is None or found[1].value < WORSE * found[1].lowest:
            return None
        sharpness = self._curved(objective, name)
        limit, rate = bound(objective.optimizer), rate_of(objective.optimizer)
        if not math.isfinite(sharpness) or sharpness <= limit:
            return None
        params = {"value": sharpness, "bound": limit, "rate": rate, **where}
        return Finding("above-edge", params, _lower_rate(knobs, rate, SAFE * rate * limit / sharpness))

    @property
    def well_at(self) -> int:
        """The last step after which nothing was found wrong."""
        return self._well_at

    def _news(self, findings: Sequence[Finding]) -> list[Finding]:
        news = [
            replace(finding, params={**finding.params, "healthy": self._well_at})
            if finding.code in HARM
            else finding
            for finding in findings
            if finding.code not in self._told
        ]
        self._told |= {finding.code for finding in news}
        return news


def _lower_rate(knobs: Knobs, rate: float, lower: float) -> dict[str, float]:
    """The live knob that is this rate, set to a lower one of two digits."""
    for name in type(knobs).model_fields:
        value = getattr(knobs, name)
        if "lr" in name and isinstance(value, float) and math.isclose(value, rate) and knobs.is_live(name):
            return {name: float(f"{lower:.1e}")}
    return {}
