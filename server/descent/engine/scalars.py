"""Collects every step's scalars and hands them on in columnar batches; none is ever dropped.

On a GPU the values stay tensors until the batch is flushed, so that reading them back stalls the
device once per batch and not once per step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

LARGEST = torch.finfo(torch.float32).max  # scalars travel as float32: what is larger is infinite there


class ScalarBatch:
    """The scalars of consecutive steps, not yet handed on."""

    def __init__(self, *, deferred: bool, ends: bool = True) -> None:
        """`ends`: a row that is not finite is the last one; if not, `take` leaves no row out."""
        self._deferred = deferred
        self._ends = ends
        self._rows: list[Mapping[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Mapping[str, float | Tensor]) -> bool:
        """Keep the scalars of the next step. False if one of them is already known not to be finite."""
        if self._deferred:
            self._rows.append({name: _as_it_is(value) for name, value in row.items()})
            return True
        finite = True
        numbers: dict[str, float] = {}
        for name, value in row.items():
            number = numbers[name] = value.item() if isinstance(value, Tensor) else value
            if not abs(number) <= LARGEST:  # so is NaN
                finite = False
        self._rows.append(numbers)
        return finite

    def extend(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Keep the scalars of the next steps, numbers all."""
        self._rows.extend(rows)

    def take(self, end: int) -> tuple[Sequence[int], dict[str, list[float]], dict[str, float]]:
        """Empty the batch, whose last step is the one before `end`: its steps, a column per name (NaN where
        none was measured), and the values of the last row that are not finite. Rows after the first such
        one are left out.
        """
        rows, self._rows = self._rows, []
        steps = range(end - len(rows), end)
        if self._deferred:
            rows = _read_back(rows)
        # On a CPU a row that is not finite is known at once, and is the last.
        bad: dict[str, float] = {}
        for index in range(0 if self._deferred else len(rows) - 1, len(rows)):
            bad = {name: value for name, value in rows[index].items() if not abs(value) <= LARGEST}
            if bad and self._ends:
                steps, rows = steps[: index + 1], rows[: index + 1]
                break
        names = dict.fromkeys(chain.from_iterable(rows))
        return steps, {name: [row.get(name, math.nan) for row in rows] for name in names}, bad


def _as_it_is(value: float | Tensor) -> float | Tensor:
    """A value that stays: what is part of a larger tensor, or was written in place, may be written again."""
    if not isinstance(value, Tensor):
        return value
    own = value.untyped_storage().nbytes() == value.element_size() and not value._version
    return value.detach() if own else value.detach().clone()


def _read_back(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The same rows with every tensor read: one transfer for all of a kind."""
    tensors = [value for row in rows for value in row.values() if isinstance(value, Tensor)]
    places: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for place, tensor in enumerate(tensors):
        places.setdefault((tensor.device, tensor.dtype), []).append(place)
    numbers = [0.0] * len(tensors)
    for alike in places.values():
        for place, number in zip(alike, torch.stack([tensors[i] for i in alike]).tolist(), strict=True):
            numbers[place] = number
    read = iter(numbers)
    return [
        {name: next(read) if isinstance(value, Tensor) else value for name, value in row.items()}
        for row in rows
    ]
