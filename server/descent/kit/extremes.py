"""Who is lowest and who is highest: what a sentence read from a picture of several learners tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from descent.kit.text import rough


class Extremes(TypedDict):
    """Two names, and their values in words."""

    low: str
    least: str
    high: str
    most: str


def extremes(values: Tensor | Sequence[float], names: Sequence[str]) -> Extremes | None:
    """The names of the least and of the largest finite value (N,); None where no two look different."""
    numbers = torch.as_tensor(values, device="cpu").double().flatten().tolist()
    known = [(value, name) for value, name in zip(numbers, names, strict=True) if math.isfinite(value)]
    if not known:
        return None
    (least, low), (most, high) = (pick(known, key=lambda pair: pair[0]) for pick in (min, max))
    if rough(least) == rough(most):
        return None
    return {"low": low, "least": rough(least), "high": high, "most": rough(most)}
