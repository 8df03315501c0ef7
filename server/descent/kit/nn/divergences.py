"""How far two distributions in the plane are apart, by counts on a grid.

    KL(p‖q) = Σ p log(p/q),  JS(p, q) = ½KL(p‖m) + ½KL(q‖m) with m = ½(p + q), in nats

Both are 0 where p = q. KL is infinite where q lacks what p has; JS is at most log 2 (Lin 1991, "Divergence
measures based on the Shannon entropy").
"""

from __future__ import annotations

import torch
from torch import Tensor


def cell_counts(points: Tensor, side: int, extent: float) -> Tensor:
    """How many of `points` (N, 2) lie in each of side × side cells of ±`extent`: float (side²,).

    Row by row from the lowest y. Points outside are counted in the nearest cell, those nowhere in none.
    """
    points = points[points.isfinite().all(1)]
    column, row = ((points / extent + 1) / 2 * side).floor().clamp(0, side - 1).long().unbind(1)
    return torch.bincount(row * side + column, minlength=side * side).to(points.dtype)


def kullback_leibler(p: Tensor, q: Tensor) -> Tensor:
    """KL(p‖q) of counts or shares (N,), which need not sum to 1."""
    p, q = p / p.sum(), q / q.sum()
    divergence: Tensor = torch.special.xlogy(p, p).sum() - torch.special.xlogy(p, q).sum()
    return divergence


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """JS(p, q) of counts or shares (N,), which need not sum to 1."""
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2
