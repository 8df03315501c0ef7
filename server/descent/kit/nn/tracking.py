"""How well each cell of a layer follows a property of the text that it reads.

Shape letters: `T` positions, `H` cells of the layer, `K` cells looked at, `P` properties.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCKS = 8  # of a text, alternately fitted on and left out
RIDGE = 10.0  # λ of the linear read-out; h lies within ±1
SHIFTS = 100  # misplaced copies of a property that say what chance reaches
CHANCE = 0.99  # quantile of those


def correlation(values: Tensor, properties: Tensor) -> Tensor:
    """|r| of each column of `values` (T, K) with each of `properties` (T, P): (K, P), 0 for a constant."""
    a, b = (F.normalize((x - x.mean(0)) * (x != x[0]).any(0), dim=0, eps=1e-6) for x in (values, properties))
    return (a.t() @ b).abs().clamp(max=1)


def ranks(values: Tensor) -> Tensor:
    """The rank of each value within its column of (T, K), from 1; equal ones share their mean rank."""
    ordered, order = values.t().sort()  # (K, T) each
    place = torch.arange(1, len(values) + 1, device=values.device).expand_as(ordered)
    fresh = F.pad(ordered[:, 1:] != ordered[:, :-1], (1, 1), value=True)  # where a run of equal ones begins
    low = place.where(fresh[:, :-1], 0).cummax(1).values  # the run's first place
    high = place.where(fresh[:, 1:], len(values)).flip(1).cummin(1).values.flip(1)  # and its last
    return torch.empty_like(ordered).scatter_(1, order, (low + high) / 2).t()


def auc(ranked: Tensor, positive: Tensor) -> Tensor:
    """How well a column separates positive positions from the others: (K, P), from ½ (not at all) to 1.

    `ranked` (T, K) as `ranks` gives it, `positive` (T, P) of 0 and 1. The area under the ROC curve is the
    chance that a positive position has the larger value (Mann and Whitney 1947). A cell may as well say no
    where the property is true: areas below ½ are folded over.
    """
    yes = positive.sum(0)  # (P,)
    no = len(positive) - yes
    wins = ranked.t() @ positive - yes * (yes + 1) / 2  # (K, P)
    area = wins / (yes * no).clamp(min=1)
    return torch.where(yes * no > 0, torch.maximum(area, 1 - area), 0.5)


def positive(properties: Tensor) -> Tensor:
    """Where each of `properties` (…, T) is large, as 0 and 1: above its median or, if nothing is, at it.

    A property that is the same everywhere is large nowhere.
    """
    median = properties.median(-1, keepdim=True).values
    above, at = properties > median, (properties >= median) & (properties.amin(-1, keepdim=True) < median)
    return torch.where(above.any(-1, keepdim=True), above, at).float()


def tracking(values: Tensor, ranked: Tensor, prop: Tensor) -> tuple[Tensor, Tensor]:
    """How well each column of `values` (T, K) tracks one property (T,): |r| and AUC (K, 2), and chance (2,).

    What chance reaches: the best column's figures when the property is moved along the text by a tenth of
    it or more, round its end, in 99 of 100 such places. A move keeps what shuffling would lose: that
    properties and cells both change slowly.
    """
    length = len(prop)
    moves = torch.linspace(length / 10, length - length / 10, SHIFTS).long().tolist()
    moved = torch.stack([prop, *(prop.roll(by) for by in moves)])  # (1 + SHIFTS, T)
    found = torch.stack([correlation(values, moved.t()), auc(ranked, positive(moved).t())])
    best = found[:, :, 1:].amax(1)  # (2, SHIFTS)
    return found[:, :, 0].t(), best.quantile(CHANCE, dim=1)


def switched(values: Tensor, start: int, stop: int, threshold: float) -> tuple[Tensor, Tensor]:
    """Which cells are on in a stretch of the text and off around it, as in LSTMVis (Strobelt et al. 2018).

    A column of `values` (T, K) is on where it passes ±`threshold`, with the sign of its mean in the stretch.
    Returns where each is on, bool (T, K), and (K, 2): the share of the stretch in which it is on, and the
    share of as many positions on either side in which it is off.
    """
    length = stop - start
    on = values * values[start:stop].mean(0).sign() >= threshold
    beside = torch.cat([on[max(0, start - length) : start], on[stop : stop + length]])  # (≤ 2·length, K)
    inside = on[start:stop].float().mean(0)
    return on, torch.stack([inside, 1 - beside.float().sum(0) / max(1, len(beside))], dim=1)


def read_out(hidden: Tensor, prop: Tensor) -> Tensor:
    """The best linear guess w·h + b of a property (T,) from `hidden` (T, H): (T,).

    Ridge regression, fitted on one half of the text (every other block of it) and applied to the other, and
    the other way round: no position is guessed by weights that have seen it.
    """
    device, hidden, prop = prop.device, hidden.cpu(), prop.cpu()  # not every device has float64
    odd = torch.arange(len(prop)) * BLOCKS // len(prop) % 2 == 1
    guess = torch.empty_like(prop)
    for seen, unseen in ((~odd, odd), (odd, ~odd)):
        h, mean = hidden[seen].double(), hidden[seen].double().mean(0)
        y, level = prop[seen].double(), prop[seen].double().mean()
        gram = (h - mean).t() @ (h - mean) + RIDGE * torch.eye(h.shape[1], dtype=h.dtype)
        # Unchecked: where training has diverged there is no solution, and the guess is NaN.
        w = torch.linalg.solve_ex(gram, (h - mean).t() @ (y - level)).result  # (H,)
        guess[unseen] = ((hidden[unseen].double() - mean) @ w + level).to(guess.dtype)
    return guess.to(device)
