"""What the sentence that is read from a picture tells: which of its numbers stands out, and shares."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def foremost(values: Tensor | Sequence[float]) -> int | None:
    """The place of the largest of `values` (N,), NaN left out; None where several are or none is finite."""
    values = torch.as_tensor(values, dtype=torch.float64).flatten()
    finite = values[values.isfinite()]
    if not len(finite) or (finite == finite.max()).sum() > 1:
        return None
    return int((values == finite.max()).nonzero())


def how_many(which: Tensor, among: Tensor) -> int | str:
    """How many of `which` (booleans) hold; a dash, so that nothing is said, where `among` is not finite."""
    return int(which.sum()) if among.isfinite().all() else "–"


def in_percent(share: float) -> str:
    """A share as a whole number of percent, not quite none or all not rounded to it; a dash for NaN."""
    if math.isnan(share):
        return "–"
    assert -1e-6 <= share <= 1 + 1e-6, share
    if 0 < share < 0.01:
        return "<1"
    return ">99" if 0.99 < share < 1 - 1e-6 else f"{100 * share:.0f}"


def beside_their_own(points: Tensor, groups: Tensor) -> float:
    """The share of `points` (N, 2) whose nearest other is of their group (N,); NaN where one is nowhere."""
    if not points.isfinite().all():
        return math.nan
    apart = torch.cdist(points, points).fill_diagonal_(math.inf)
    return float((groups[apart.argmin(1)] == groups).float().mean())


def gaze(weights: Tensor, queries: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    """The query that looks most at one key, and the key, of weights (…, T, S); a dash for NaN.

    As values of a sentence with {query}, {key} and {percent}.
    """
    weights = weights.detach()
    place = int(weights.argmax())  # of NaN, where there is one
    rest, key = divmod(place, len(keys))
    share = in_percent(float(weights.flatten()[place]))
    return {"query": queries[rest % len(queries)], "key": keys[key], "percent": share}
