"""What the sentence that is read from a picture tells: which of its numbers stands out, and shares."""

from __future__ import annotations

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


def in_percent(share: float) -> str:
    """A share as a whole number of percent; what is not quite none or all is not rounded to it."""
    assert 0 <= share <= 1 + 1e-6, share
    if 0 < share < 0.01:
        return "<1"
    return ">99" if 0.99 < share < 1 - 1e-6 else f"{100 * share:.0f}"
