"""The plane through the parameter space in which some paths differ most, by principal component analysis,
and the loss on it.

    θ(a, b) = θ̄ + a·e₁ + b·e₂,  e₁, e₂ the directions of largest variance of all points of all paths

Source: Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets", arXiv:1712.09913, §7. Departures:
several paths in one plane; the mean is the origin, not the last point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

MARGIN = 0.2  # of what the points span, free on each side


@dataclass(frozen=True)
class Plane:
    """`origin` (D,), `axes` (2, D) orthonormal; `shares`: of the variance, by component, largest first.

    `x`, `y`: what part of the plane holds the points.
    """

    origin: Tensor
    axes: Tensor
    shares: Tensor
    x: tuple[float, float]
    y: tuple[float, float]

    def project(self, theta: Tensor) -> Tensor:
        """The place of θ (…, D) on the plane, (…, 2)."""
        return (theta - self.origin) @ self.axes.T

    def grid(self, side: int) -> Tensor:
        """θ at side × side places from corner to corner, (side², D); x runs fastest, from low to high."""
        a = torch.linspace(*self.x, side, device=self.origin.device)
        b = torch.linspace(*self.y, side, device=self.origin.device)
        return torch.cartesian_prod(b, a).flip(1) @ self.axes + self.origin


class Landscape(NamedTuple):
    """The loss on a plane. `name`: different from that of another one."""

    name: str
    plane: Plane
    values: Tensor  # (side, side)


def landscape_of(name: str, plane: Plane, losses: Callable[[Tensor], Tensor], side: int) -> Landscape:
    """The losses of side × side places on the plane, where `losses` are those of θ (K, D): (K,)."""
    values = torch.cat([losses(part) for part in plane.grid(side).split(64)])
    return Landscape(name, plane, values.view(side, side))


def through(points: Tensor) -> Plane:
    """The plane through points (K, D). Whatever the axes' signs, the first point is at the lower left.

    Where the points have no two directions, any two are taken.
    """
    origin = points.mean(0)
    centred = (points - origin).cpu().double()  # not every device has float64
    variances, vectors = torch.linalg.eigh(centred @ centred.T)  # ascending; (K, K) is less than (D, D)
    variances = variances.flip(0).clamp(min=0)
    axes = vectors.T.flip(0)[:2] @ centred
    if variances[1] <= 1e-12 * (1 + origin.cpu().double().square().sum()):
        noise = torch.randn(
            points.shape[1], 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        axes = torch.linalg.qr(noise)[0].T
    axes = axes / axes.norm(dim=1, keepdim=True)
    axes = torch.where((axes @ centred[0])[:, None] > 0, -axes, axes)
    places = centred @ axes.T
    low, high = places.amin(0), places.amax(0)
    margin = MARGIN * (high - low) + 0.5 * (high - low < 1e-6)
    (left, lower), (right, upper) = (low - margin).tolist(), (high + margin).tolist()
    shares = (variances / variances.sum().clamp(min=1e-12)).to(points.dtype).to(points.device)
    return Plane(origin, axes.to(points.dtype).to(points.device), shares, (left, right), (lower, upper))
