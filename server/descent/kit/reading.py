"""What the sentence that is read from a picture tells: which of its numbers stands out, and shares."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from descent.kit.text import figure, rough


def foremost(values: Tensor | Sequence[float]) -> int | None:
    """The place of the largest of `values` (N,), NaN left out; None where several are or none is finite."""
    values = torch.as_tensor(values, device="cpu").double().flatten()  # not every device has float64
    finite = values[values.isfinite()]
    if not len(finite) or (finite == finite.max()).sum() > 1:
        return None
    return int((values == finite.max()).nonzero())


def how_many(which: Tensor, among: Tensor) -> int | str:
    """How many of `which` (booleans) hold; a dash, so that nothing is said, where `among` is not finite."""
    return int(which.sum()) if among.isfinite().all() else "–"


def share_of(which: Tensor, among: Tensor) -> float:
    """The share of `which` (booleans) that hold; NaN, so that nothing is said, if `among` is not finite."""
    return float(which.cpu().double().mean()) if among.isfinite().all() else math.nan


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


def choices(p: Tensor) -> str:
    """How many equally likely choices leave as much open as probabilities `p` (K,): e^H; a dash for NaN."""
    value = float(torch.special.entr(p.detach().cpu().double()).sum().exp())
    return f"{value:.1f}" if math.isfinite(value) else "–"


def strongest(weights: Tensor, names: Sequence[str]) -> dict[str, str] | None:
    """The name of the largest of `weights` (N,) in size, and the weight; None where none is or one is NaN.

    As values of a sentence with {name} and {weight}.
    """
    place = foremost(weights.abs()) if weights.isfinite().all() else None
    return None if place is None else {"name": names[place], "weight": rough(float(weights[place]))}


def peak(values: Tensor) -> dict[str, int | str] | None:
    """Where `values` (H, W) are largest, from 1, and what they are there; None for one number, ties and NaN.

    As values of a sentence with {row}, {column} and {value}.
    """
    place = foremost(values) if values.numel() > 1 and values.isfinite().all() else None
    if place is None:
        return None
    row, column = divmod(place, values.shape[1])
    return {"row": row + 1, "column": column + 1, "value": figure(float(values[row, column]), 2)}


def most_alike(rows: Tensor) -> dict[str, int | str] | None:
    """The two of `rows` (N, D), from 1, with the largest cosine; None where there is no such pair.

    As values of a sentence with {one}, {other} and {cosine}.
    """
    if len(rows) < 2 or not rows.isfinite().all() or not rows.any(1).all():
        return None
    directions = F.normalize(rows.detach().cpu().double())
    cosines = directions @ directions.t()
    place = foremost(torch.where(torch.ones_like(cosines).triu(1).bool(), cosines, -math.inf))
    if place is None:
        return None
    one, other = divmod(place, len(rows))
    return {"one": one + 1, "other": other + 1, "cosine": figure(float(cosines[one, other]), 2)}


def mix_up(truth: Tensor, said: Tensor, classes: Sequence[str]) -> dict[str, int | str] | None:
    """The class most often taken for one other, of `truth` and `said` (N,); None where none stands out.

    As values of a sentence with {truth}, {said} and {count}.
    """
    wrong = truth != said
    counts = torch.bincount((truth * len(classes) + said)[wrong], minlength=len(classes) ** 2)
    place = foremost(counts)
    if place is None:
        return None
    return {
        "truth": classes[place // len(classes)],
        "said": classes[place % len(classes)],
        "count": int(counts[place]),
    }


def means(values: Tensor, marked: Tensor) -> dict[str, str]:
    """The means of `values` (T,) at marked and at other places; dashes where there are none or for NaN.

    As values of a sentence with {inside} and {outside}.
    """
    marked = marked.bool()
    return {"inside": rough(float(values[marked].mean())), "outside": rough(float(values[~marked].mean()))}


def times_as_large(one: float, other: float) -> str:
    """one / other as a number in a sentence; a dash where that is none."""
    return rough(one / other) if other else "–"


def gaze(weights: Tensor, queries: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    """The query that looks most at one key, and the key, of weights (…, T, S); a dash for NaN.

    As values of a sentence with {query}, {key} and {percent}.
    """
    weights = weights.detach()
    place = int(weights.argmax())  # of NaN, where there is one
    rest, key = divmod(place, len(keys))
    share = in_percent(float(weights.flatten()[place]))
    return {"query": queries[rest % len(queries)], "key": keys[key], "percent": share}
