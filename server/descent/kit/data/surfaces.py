"""Test functions of the plane: losses with two parameters, whose minima are known.

Every one is non-negative and 0 at its global minima, so that a logarithmic chart of the loss shows the
rate of convergence. Formulas of Beale, Himmelblau and Rosenbrock: Jamil and Yang 2013, "A Literature Survey
of Benchmark Functions For Global Optimization Problems", arXiv:1308.4008; Rastrigin 1974, with A = 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

SurfaceName = Literal["bowl", "rosenbrock", "beale", "himmelblau", "saddle", "rastrigin"]
Interval = tuple[float, float]

STEEPEST = 200.0  # the bowl's largest curvature, whatever its condition number


@dataclass(frozen=True)
class Surface:
    """A loss over the plane. `loss`: (..., 2) → (...). `x`, `y`: the part worth seeing."""

    name: str
    loss: Callable[[torch.Tensor], torch.Tensor]
    x: Interval
    y: Interval
    minima: tuple[Interval, ...]  # all global minima

    def grid(self, side: int) -> torch.Tensor:
        """The loss on a grid that includes both ends of `x` and `y`: (side, side), row 0 at the lowest y."""
        x, y = (torch.linspace(*ends, side, dtype=torch.float64) for ends in (self.x, self.y))
        return self.loss(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))

    def derivatives(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradient (P, 2) and the exact Hessian (P, 2, 2) at each of `points` (P, 2), by autograd."""
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss(points).sum(), points, create_graph=True)
            rows = [torch.autograd.grad(g.sum(), points, retain_graph=True)[0] for g in gradient.unbind(1)]
        return gradient.detach(), torch.stack(rows, 1)


def make_surface(name: SurfaceName, condition: float = 10.0) -> Surface:
    """The surface `name`; `condition` is the bowl's κ = λ_max / λ_min and means nothing to the others."""
    if name == "bowl":
        return _bowl(condition)
    return _SURFACES[name]


def _bowl(condition: float) -> Surface:
    """½ (λ_min x² + λ_max y²): λ_max stays 200, a larger κ only flattens the valley along x."""

    def loss(point: torch.Tensor) -> torch.Tensor:
        x, y = point.unbind(-1)
        return 0.5 * STEEPEST * (x**2 / condition + y**2)

    return Surface(f"bowl κ={condition}", loss, (-2.5, 2.5), (-2.5, 2.5), ((0.0, 0.0),))


def _rosenbrock(point: torch.Tensor) -> torch.Tensor:
    x, y = point.unbind(-1)
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def _beale(point: torch.Tensor) -> torch.Tensor:
    x, y = point.unbind(-1)
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _himmelblau(point: torch.Tensor) -> torch.Tensor:
    x, y = point.unbind(-1)
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def _saddle(point: torch.Tensor) -> torch.Tensor:
    """A saddle at the origin, curvatures 20 and −20, and a minimum on either side of it."""
    x, y = point.unbind(-1)
    return 10 * x**2 + 5 * (y**2 - 1) ** 2


def _rastrigin(point: torch.Tensor) -> torch.Tensor:
    return 20 + (point**2 - 10 * torch.cos(2 * math.pi * point)).sum(-1)


_SURFACES = {
    surface.name: surface
    for surface in (
        Surface("rosenbrock", _rosenbrock, (-2.5, 2.5), (-1.5, 3.5), ((1.0, 1.0),)),
        Surface("beale", _beale, (-4.5, 4.5), (-4.5, 4.5), ((3.0, 0.5),)),
        Surface(
            "himmelblau",
            _himmelblau,
            (-5.0, 5.0),
            (-5.0, 5.0),
            (
                (3.0, 2.0),
                (-2.805118086952745, 3.131312518250573),
                (-3.779310253377747, -3.283185991286170),
                (3.584428340330492, -1.848126526964404),
            ),
        ),
        Surface("saddle", _saddle, (-2.5, 2.5), (-2.5, 2.5), ((0.0, 1.0), (0.0, -1.0))),
        Surface("rastrigin", _rastrigin, (-5.12, 5.12), (-5.12, 5.12), ((0.0, 0.0),)),
    )
}
