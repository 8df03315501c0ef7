"""Connectionist temporal classification: a sequence is read without being told where its symbols stand.

In each of T columns a network says one of K symbols or nothing, the blank, which is class 0. Many ways to say
it, π, make the same sequence y = B(π), where B first merges repeats and then drops blanks:

    P(y | x) = Σ over π with B(π) = y of Π_t P_t(π_t),  L = −ln P(y | x)

Source: Graves, Fernández, Gomez, Schmidhuber, "Connectionist Temporal Classification" (2006), §3.
Departure: a strip's loss is divided by the length of y, as in PyTorch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def ctc_of(logits: Tensor, labels: Tensor) -> Tensor:
    """L of logits (B, K + 1, T) and sequences `labels` (B, N) of symbols from 0, −1 after the last one."""
    log_p = logits.log_softmax(1).permute(2, 0, 1)  # (T, B, K + 1)
    columns = torch.full((len(labels),), len(log_p))
    # On a GPU its gradient would not be the same each time.
    loss = F.ctc_loss(log_p.cpu(), (labels + 1).cpu(), columns, (labels >= 0).sum(1).cpu())
    return loss.to(logits.device)


def greedy_reading(logits: Tensor) -> Tensor:
    """B of the likeliest classes in logits (B, K + 1, T): symbols (B, T), −1 after the last one."""
    said = logits.argmax(1)
    return packed_left(said - 1, (said > 0) & (said != F.pad(said, (1, 0))[:, :-1]))


def packed_left(values: Tensor, keep: Tensor) -> Tensor:
    """Those of each row of `values` (B, T) that are kept, moved together, and −1 after them."""
    row, column = keep.nonzero(as_tuple=True)
    packed = torch.full_like(values, -1)
    packed[row, keep.cumsum(1)[row, column] - 1] = values[row, column]
    return packed
