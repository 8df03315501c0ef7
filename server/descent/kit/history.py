"""Measurements in the course of training, in bounded room: when it is full, every other value is dropped."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

REMEMBERED = 512  # values; then every other one is dropped


def remembered(rows: Tensor, row: Tensor, stride: int, most: int) -> tuple[Tensor, int]:
    """Rows (n, …), one every `stride` steps, and `row` with them; half as dense once they are `most`."""
    rows = torch.cat([rows, row[None]])
    return (rows[::2].clone(), 2 * stride) if len(rows) == most else (rows, stride)


def room_for_row(kept: int, stride: int, *stores: Tensor) -> tuple[int, int]:
    """Place of the next row in `stores` (most, …), of which `kept` are filled, and the stride from then on.

    When they are full, every other row is dropped, and the others move up.
    """
    most = len(stores[0])
    if kept < most:
        return kept, stride
    for rows in stores:
        rows[: most // 2] = rows[::2].clone()
    return most // 2, 2 * stride


def latest_rows(ring: Tensor, written: int) -> Tensor:
    """The rows in a ring, oldest first: row n of those `written` so far stands at n modulo its length."""
    if written < len(ring):
        return ring[:written]
    return ring.roll(-(written % len(ring)), 0)


def on_one_axis(x: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Curves (T, P), each over an `x` of its own, as those over one (n,): (P, n), NaN between its points.

    What is not above 0 has no place on a logarithmic axis, and is left out.
    """
    curves, flat = values.shape[1], x.flatten()  # (TP,)
    spread = torch.full((curves, len(flat)), math.nan, dtype=torch.float64)
    for i in range(curves):
        spread[i, i::curves] = values[:, i].cpu()
    drawn = flat > 0
    order = flat[drawn].argsort()
    return flat[drawn][order], spread[:, drawn][:, order]


class History:
    """Values by step, in bounded room: when it is full, every other one is dropped."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self.most = most
        self.steps: list[int] = []
        self.rows: list[np.ndarray] = []

    def add(self, step: int, row: np.ndarray) -> None:
        """Keep a row of the same shape as those before; after a change of shape, start over."""
        if self.rows and (row.shape != self.rows[-1].shape or step < self.steps[-1]):
            self.steps, self.rows = [], []
        if self.steps and step == self.steps[-1]:
            self.rows[-1] = row
            return
        if len(self.steps) >= self.most:
            self.steps, self.rows = self.steps[::2], self.rows[::2]
        self.steps.append(step)
        self.rows.append(row)

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps (n,), and values (…, n)."""
        return np.array(self.steps, np.float32), np.stack(self.rows, axis=-1).astype(np.float32)
