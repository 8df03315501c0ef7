"""The vanilla recurrent network, written out, in torch and in NumPy.

Shape letters: `T` time steps, `B` sequences, `I` inputs, `D` hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

Numbers = NDArray[np.float32]


class Recurrence(nn.Module):
    """h_t = tanh(W_x x_t + W_h h_{t−1} + b) (Elman 1990): the same W_x, W_h and b at every t."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(hidden)
        self.W_x = nn.Parameter(torch.empty(hidden, inputs).uniform_(-bound, bound))
        self.W_h = nn.Parameter(torch.empty(hidden, hidden).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.zeros(hidden))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Every h_t (T, B, D) of `x` (T, B, I) from h_0 (B, D), and every argument of tanh, (B, D) each."""
        arguments, states = [], []
        for read in F.linear(x, self.W_x, self.b):  # W_x x_t + b of all t at once
            arguments.append(read + h @ self.W_h.T)
            h = arguments[-1].tanh()
            states.append(h)
        return torch.stack(states), arguments


def unrolled_in_numpy(x: Numbers, h: Numbers, W_x: Numbers, W_h: Numbers, b: Numbers) -> Numbers:
    """The same in NumPy, as one would write it by hand: (T, B, D)."""
    states = []
    for x_t in x:
        h = np.tanh(x_t @ W_x.T + h @ W_h.T + b)
        states.append(h)
    return np.stack(states)


def by_step(loss: Tensor, arguments: Sequence[Tensor], before: Sequence[Tensor]) -> Tensor:
    """∂L/∂W_h taken apart by the time at which W_h was used: (T, D, D), which add up to it.

    With δ_t = ∂L/∂(argument of tanh at t), (B, D), the term of t is δ_tᵀ h_{t−1}. `before`: h_{t−1}, (B, D).
    """
    deltas = torch.autograd.grad(loss, list(arguments), retain_graph=True)
    return torch.stack([delta.T @ h for delta, h in zip(deltas, before, strict=True)])
