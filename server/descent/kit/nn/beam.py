"""Beam search: the likeliest outputs that a network which writes token by token is found to have."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from descent.kit.data.translation import END, PAD, START


class Hypothesis(NamedTuple):
    """An output without `START`, ending with `END` unless it ran out of room; the log of its probability."""

    tokens: list[int]
    score: float


Advance = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def beam_search(advance: Advance, state: Tensor, width: int, most: int) -> list[Hypothesis]:
    """Up to `width` outputs of at most `most` tokens, the likeliest first.

    `advance` takes the last tokens (k,) and states (k, d), and returns the logarithms of the next tokens'
    probabilities (k, V) and the new states; `state`, (1, d), is the first. A width of 1 is greedy search. A
    wider beam may drop what greedy search follows and end with less, so the greedy output is compared with
    the others at the end: the first is never less likely.
    """
    found = _searched(advance, state, width, most)
    if width > 1:
        found += [greedy for greedy in _searched(advance, state, 1, most) if not _among(greedy, found)]
    return sorted(found, key=lambda hypothesis: -hypothesis.score)[:width]


def _among(one: Hypothesis, found: list[Hypothesis]) -> bool:
    return any(one.tokens == other.tokens for other in found)


def _searched(advance: Advance, state: Tensor, width: int, most: int) -> list[Hypothesis]:
    """Of all outputs kept, and all ways to go on with each, keep the `width` likeliest, step by step."""
    device = state.device
    written = torch.empty(1, 0, dtype=torch.long, device=device)
    last, scores = torch.tensor([START], device=device), torch.zeros(1, device=device)
    ended = torch.zeros(1, dtype=torch.bool, device=device)
    for _ in range(most):
        steps, states = advance(last, state)
        steps = steps.masked_fill(ended[:, None], -torch.inf)
        steps[:, PAD] = torch.where(ended, 0.0, -torch.inf)  # what has ended goes on with nothing, at no cost
        total = scores[:, None] + steps  # (k, V)
        scores, at = total.flatten().topk(min(width, total.numel()))
        row, last = at // total.shape[1], at % total.shape[1]
        written = torch.cat([written[row], last[:, None]], 1)
        state, ended = states[row], ended[row] | (last == END)
        if ended.all():
            break
    return [
        Hypothesis([token for token in tokens if token != PAD], score)
        for tokens, score in zip(written.tolist(), scores.tolist(), strict=True)
        if score > -torch.inf or width == 1
    ]
