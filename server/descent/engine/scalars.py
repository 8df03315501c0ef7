"""Collects every step's scalars and hands them on in columnar batches; none is ever dropped.

On a GPU the values stay tensors until the batch is flushed, so that reading them back stalls the
device once per batch and not once per step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch


class ScalarBatch:
    """The scalars of consecutive steps, not yet handed on."""

    def __init__(self, *, deferred: bool) -> None:
        self._deferred = deferred
        self._steps: list[int] = []
        self._rows: list[Mapping[str, Any]] = []

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: int, row: Mapping[str, float | torch.Tensor]) -> bool:
        """Keep the scalars of `step`. False if one of them is already known not to be finite."""
        self._steps.append(step)
        if self._deferred:
            self._rows.append(row)
            return True
        finite = True
        values = {}
        for name, value in row.items():
            number = value.item() if isinstance(value, torch.Tensor) else value
            if number - number != 0.0:  # only of NaN and infinity
                finite = False
            values[name] = number
        self._rows.append(values)
        return finite

    def take(self) -> tuple[Sequence[int], dict[str, list[float]], int | None]:
        """Empty the batch: its steps, a column per name (NaN where none was measured), and the index of
        the first row with a value that is not finite. Rows after that one are left out.
        """
        steps, rows = self._steps, self._rows
        self._steps, self._rows = [], []
        if self._deferred:
            rows = _read_back(rows)
        bad = next(
            (i for i, row in enumerate(rows) if any(not math.isfinite(value) for value in row.values())), None
        )
        if bad is not None:
            steps, rows = steps[: bad + 1], rows[: bad + 1]
        names = dict.fromkeys(name for row in rows for name in row)
        return steps, {name: [row.get(name, math.nan) for row in rows] for name in names}, bad


def _read_back(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The same rows with every tensor read, all in one transfer."""
    tensors = [value for row in rows for value in row.values() if isinstance(value, torch.Tensor)]
    if not tensors:
        return list(rows)
    numbers = iter(torch.stack([tensor.detach().double() for tensor in tensors]).tolist())
    return [
        {name: next(numbers) if isinstance(value, torch.Tensor) else value for name, value in row.items()}
        for row in rows
    ]
