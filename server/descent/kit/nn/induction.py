"""Random sequences that repeat, and how far an attention head is a previous-token or an induction head.

    A B C D A B …: after the second A, an induction head looks at the B that followed the first
    previous-token score   mean over t of a[t, t − 1]
    induction score        mean over t of Σ_j a[t, j], j ≤ t with x_{j−1} = x_t, where there is such a j

Source: Olsson et al. 2022, "In-context Learning and Induction Heads", arXiv:2209.11895 (its prefix matching
score); Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def repeating(
    periods: Tensor, length: int, size: int, generator: torch.Generator, *, distinct: bool
) -> Tensor:
    """Sequences (B, length) of tokens below `size`; each repeats what it draws for its period, of (B,).

    Where they are `distinct`, no token stands twice in one period, so that one place is right to look at.
    """
    shape = len(periods), size if distinct else int(periods.max())
    if distinct:
        block = torch.rand(shape, generator=generator).argsort(1)
    else:
        block = torch.randint(size, shape, generator=generator)
    return block.gather(1, torch.arange(length) % periods[:, None])


def head_scores(weights: Tensor, tokens: Tensor) -> Tensor:
    """Previous-token and induction score (2, h) of h heads: weights (B, h, T, T) on tokens (B, T)."""
    previous = weights.diagonal(-1, 2, 3).mean((0, 2))
    followed = F.pad(tokens[:, :-1], (1, 0), value=-1)[:, None] == tokens[:, :, None]  # x_{j−1} = x_t
    followed = followed.tril()  # (B, T, T), j ≤ t
    there = followed.any(2)  # (B, T)
    found = (weights * followed[:, None]).sum(3).mul(there[:, None]).sum((0, 2)) / there.sum().clamp(min=1)
    return torch.stack([previous, found])
