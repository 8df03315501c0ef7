"""Series measured side by side, one of which is to be predicted; generated ones, whose drivers are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from descent.contract import KnobError
from descent.kit.data.missing import place_of
from descent.kit.data.table import Table, carried, read_table

STATIONS = 5  # sensors in a group
QUANTITIES = (
    "temperature", "station pressure", "wind speed", "rainfall", "sea-level pressure", "sunshine", "humidity",
    "wind direction",
)  # fmt: skip
MEMORY = 0.5  # correlation of a group's signal with itself a step later
OWN = 0.3  # standard deviation of a sensor's own noise
RAISED = 5.0  # by how much a driving group runs higher
LOUD = 2.0  # standard deviation of a group's signal; 1 while it drives
TURN = (20, 60)  # steps that a group drives, at least and less than
NO_TARGET = "the table has no column of numbers “{name}”; it has {columns}"
NO_PART = "{file} is not among the files of ETT; remove the data set and fetch it again"
STILL = "“{name}” and another column must change for a prediction; the table has {columns}"
SORTED = "Rows put in the order of their dates: {count}."
CARRIED = "Missing cells, which hold the value before them: {count}. A missing target is not predicted."
GAPS = "Gaps between dates, each of which counts as one step: {count}."
CONSTANT = "Columns that never change, left out: {count}."
LEVEL, SPREAD, ERROR = 20.0, 3.0, 0.3  # of the target; ERROR: its noise


class Series(NamedTuple):
    """`sensors` (N, K) with their names, and the `target` (N,), NaN where it is missing.

    Where known, `drivers` (N, K) says which sensors the target of each time follows, `lag` steps later.
    `labels` of the times, empty for their numbers; `remarks` on what was made of a table, with their numbers.
    """

    sensors: Tensor
    names: Sequence[str]
    target: Tensor
    drivers: Tensor | None = None
    lag: int | None = None
    labels: Sequence[str] = ()
    remarks: Mapping[str, int] = {}


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
    driving = _turns(total, groups, generator)
    driving = driving if turns else driving[:1].expand(total)
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


def tabled_series(table: Table, target: str) -> Series:
    """The column `target` of a table, or its last one, and the other columns as sensors.

    A missing cell of a sensor holds the value before it. Raises `KnobError` for the knob `target`.
    """
    values, columns = table.values, ", ".join(table.names)
    name = target.strip() or table.names[-1]
    if name not in table.names:
        raise KnobError("target", NO_TARGET, name=name, columns=columns)
    at = table.names.index(name)
    full = carried(values)
    moving = (full != full[0]).any(0)
    others = [i for i in range(len(table.names)) if i != at and moving[i]]
    if not (moving[at] and others):
        raise KnobError("target", STILL, name=name, columns=columns)
    counts = {
        SORTED: table.found["sorted"],
        CARRIED: table.found["missing"],
        GAPS: table.found["gaps"],
        CONSTANT: int((~moving).sum()),
    }
    return Series(
        full[:, others],
        [table.names[i] for i in others],
        values[:, at],
        labels=table.labels,
        remarks={text: count for text, count in counts.items() if count},
    )


def ett_table(part: str, folders: Sequence[Path]) -> Table:
    """One of the four ETT series, such as "ETTh1". Raises `KnobError` for the knob `dataset` without it."""
    file = place_of("ett", folders, "dataset") / f"{part}.csv"
    if not file.is_file():
        raise KnobError("dataset", NO_PART, file=file.name)
    return read_table(file.read_bytes(), "dataset")
