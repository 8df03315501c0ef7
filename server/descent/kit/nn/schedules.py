"""How a knob changes by itself as training goes on: b is its own value, n counts the steps since it began.

Each rule is the closed form of one of `torch.optim.lr_scheduler`, so that its value at any step is known
without those before: a run can be restored at any. They read as in Loshchilov and Hutter 2017 (cosine,
restarts), Smith and Topin 2018 (one cycle), Goyal et al. 2017 (warm-up), Vaswani et al. 2017, §5.3
(inverse square root).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def constant(b: float, n: int) -> float:
    """Nothing changes."""
    return b


def step(b: float, n: int, every: int, factor: float) -> float:
    """Times `factor` after each `every` steps."""
    return b * math.pow(factor, n // every)


def exponential(b: float, n: int, every: int, factor: float) -> float:
    """As `step`, but a little with each step."""
    return b * math.pow(factor, n / every)


def cosine(b: float, n: int, steps: float, low: float) -> float:
    """Half a wave of the cosine from b down to `low`, then constant."""
    return low + (b - low) * (1 + math.cos(math.pi * min(n, steps) / steps)) / 2


def restarts(b: float, n: int, every: int, growth: int, low: float) -> float:
    """Waves of the cosine from b down to `low`, each `growth` times as long as the one before."""
    if growth == 1:
        n %= every
    else:
        while n >= every:
            n, every = n - every, every * growth
    return cosine(b, n, every, low)


def warmup(b: float, n: int, steps: int, low: float) -> float:
    """Straight from `low` up to b, then constant."""
    return low + (b - low) * min(n / steps, 1.0)


def one_cycle(b: float, n: int, steps: int, peak: float, low: float, rise: float) -> float:
    """Along the cosine from b up to `peak` in a share `rise` of the steps, then down to `low`."""
    top, end = rise * steps - 1, steps - 1
    if n <= top:
        return cosine(b, n, top, peak) if top > 0 else peak
    return peak + (low - peak) * (1 - math.cos(math.pi * min((n - top) / (end - top), 1.0))) / 2


def inverse_sqrt(b: float, n: int, warm: int) -> float:
    """Straight up to b for `warm` steps, then with one over the square root of the steps."""
    return b * min((n + 1) / warm, math.sqrt(warm / (n + 1)))


def drawn(b: float, n: int, points: Sequence[Sequence[float]], log: bool) -> float:
    """Along a line through points (n, value), between them straight, in the logarithm where `log`."""
    i = bisect_right([point[0] for point in points], n)
    if i == 0:
        return float(points[0][1])
    if i == len(points):
        return float(points[-1][1])
    (n0, v0), (n1, v1) = points[i - 1], points[i]
    part = (n - n0) / (n1 - n0)
    if log:
        return float(v0 * (v1 / v0) ** part)
    return float(v0 + (v1 - v0) * part)


RULES: Mapping[str, Callable[..., float]] = {
    "constant": constant,
    "step": step,
    "exponential": exponential,
    "cosine": cosine,
    "restarts": restarts,
    "warmup": warmup,
    "one-cycle": one_cycle,
    "inverse-sqrt": inverse_sqrt,
    "drawn": drawn,
}


def followed(
    rule: Mapping[str, Any], b: float, step: int, low: float, high: float, whole: bool
) -> float | int:
    """The scheduled value at `step` for base value b, clamped to [low, high], rounded if integer."""
    after = min(max(value(rule, b, max(0, step - (rule["start"] or 0))), low), high)
    return round(after) if whole else after


def value(rule: Mapping[str, Any], b: float, n: int) -> float:
    """The value after n steps, from base value b, by a rule of some `kind` with its settings."""
    settings = {name: setting for name, setting in rule.items() if name not in ("kind", "start")}
    try:
        return RULES[rule["kind"]](b, n, **settings)
    except OverflowError:  # it grew and grew
        return math.copysign(math.inf, b)


class Plateau:
    """Times `factor` when a loss has not fallen for a while: torch's `ReduceLROnPlateau`.

    It looks at the mean of each `window` losses; one that is not by a share `threshold` below the best so
    far is a bad one, and after more than `patience` bad ones the knob is lowered.
    """

    def __init__(self, window: int, patience: int, factor: float, threshold: float) -> None:
        self.window, self.patience, self.factor, self.threshold = window, patience, factor, threshold
        self.best, self.bad, self.total, self.count = math.inf, 0, 0.0, 0

    def hear(self, loss: float) -> bool:
        """Take in one step's loss. True when the knob is to be lowered."""
        self.total, self.count = self.total + loss, self.count + 1
        if self.count < self.window:
            return False
        mean, self.total, self.count = self.total / self.count, 0.0, 0
        if mean < self.best * (1 - self.threshold):
            self.best, self.bad = mean, 0
        else:
            self.bad += 1
        if self.bad <= self.patience:
            return False
        self.bad = 0
        return True

    def state(self) -> list[float | None]:
        """The state, for a checkpoint."""
        return [self.best if math.isfinite(self.best) else None, self.bad, self.total, self.count]

    def recall(self, state: Sequence[float | None]) -> None:
        """Restore a `state`."""
        best, bad, total, count = state
        self.best = math.inf if best is None else best
        self.bad, self.total, self.count = int(bad or 0), float(total or 0), int(count or 0)
