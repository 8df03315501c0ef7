"""A straight line to be learnt, and how much around its points to draw."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

ROUND = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # what half a map may be, times a power of ten


class Line(nn.Module):
    """ŷ = wx + b."""

    def __init__(self, w: float, b: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """(n,) → (n,)."""
        return self.w * x + self.b


def margins(values: Tensor) -> Tensor:
    """From a little below the least of values (n,) to a little above the largest: (2,)."""
    low, high = values.min(), values.max()
    room = 0.06 * (high - low).clamp(min=1e-9)
    return torch.stack([low - room, high + room])


def rounded_up(largest: float) -> float:
    """The next number of one or two digits."""
    power = 10.0 ** math.floor(math.log10(largest))
    return power * next(part for part in ROUND if power * part >= largest)
