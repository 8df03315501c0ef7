"""Series measured side by side, one of which is to be predicted; generated ones, whose drivers are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

STATIONS = 5  # sensors in a group
QUANTITIES = (
    "temperature", "station pressure", "wind speed", "rainfall", "sea-level pressure", "sunshine", "humidity",
    "wind direction",
)  # fmt: skip
MEMORY = 0.5  # correlation of a group's signal with itself a step later
OWN = 0.3  # standard deviation of what a sensor has for itself, beside its group's 1
RAISED = 5.0  # by how much the sensors of the driving group run higher
LOUD = 2.0  # standard deviation of a group's signal while others drive; 1 while it drives
TURN = (20, 60)  # steps that a group drives, at least and less than
LEVEL, SPREAD, ERROR = 20.0, 3.0, 0.3  # of the target: its mean, what it makes of the signal, its noise


class Series(NamedTuple):
    """`sensors` (N, K) with their names, and the `target` (N,).

    Where known, `drivers` (N, K) says which sensors the target of each time follows, `lag` steps later.
    """

    sensors: Tensor
    names: Sequence[str]
    target: Tensor
    drivers: Tensor | None = None
    lag: int | None = None


def driven_series(steps: int, lag: int, turns: bool, generator: torch.Generator) -> Series:
    """Forty sensors in eight groups of five, and a target that follows one group `lag` steps later.

    The sensors of a group have a signal in common. With `turns`, groups take turns to drive, and meanwhile
    run higher and swing less; else one drives all the time, and nothing shows which.
    """
    groups, total = len(QUANTITIES), steps + lag
    shocks = torch.randn(total, groups, generator=generator) * math.sqrt(1 - MEMORY**2)
    signals = shocks.clone()
    for t in range(1, total):
        signals[t] += MEMORY * signals[t - 1]
    driving = _turns(total, groups, generator) if turns else _one(total, groups, generator)
    on = F.one_hot(driving, groups)  # (N, G)
    heard = torch.where(on.bool(), signals + RAISED, LOUD * signals) if turns else signals
    noise = OWN * torch.randn(total, groups * STATIONS, generator=generator)
    sensors = heard.repeat_interleave(STATIONS, 1) + noise
    followed = (signals * on).sum(1)[:steps]
    target = LEVEL + SPREAD * followed + ERROR * torch.randn(steps, generator=generator)
    names = [f"{quantity} {n + 1}" for quantity in QUANTITIES for n in range(STATIONS)]
    drivers = on.repeat_interleave(STATIONS, 1)[:steps].bool()
    return Series(sensors[lag:], names, target, drivers, lag)


def _turns(steps: int, groups: int, generator: torch.Generator) -> Tensor:
    """The driving group of each step: another one after each turn."""
    turns: list[Tensor] = []
    group = 0
    while sum(map(len, turns)) < steps:
        group = (group + int(torch.randint(1, groups, (1,), generator=generator))) % groups
        turns.append(torch.full((int(torch.randint(*TURN, (1,), generator=generator)),), group))
    return torch.cat(turns)[:steps]


def _one(steps: int, groups: int, generator: torch.Generator) -> Tensor:
    return torch.randint(groups, (1,), generator=generator).expand(steps)
