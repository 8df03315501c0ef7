"""A loss as the density of noise that it assumes.

N(y; μ, σ²)        −log p = (y − μ)²/2σ² + log σ + ½ log 2π
Laplace(y; μ, b)   −log p = |y − μ|/b + log 2b,  of standard deviation √2 b
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def gaussian(r: Tensor, sigma: Tensor) -> Tensor:
    """−log N(y; μ, σ²) of residuals r = y − μ."""
    return 0.5 * (r / sigma) ** 2 + sigma.log() + HALF_LOG_2PI


def laplace(r: Tensor, b: Tensor) -> Tensor:
    """−log Laplace(y; μ, b) of residuals r = y − μ."""
    return r.abs() / b + (2 * b).log()


@dataclass(frozen=True)
class Density:
    """p(y | x) as a loss takes it to be: N(centre, spread²), or Laplace(centre, spread), all (N,)."""

    is_gaussian: bool
    centre: Tensor
    spread: Tensor

    def cost(self, y: Tensor) -> Tensor:
        """−log p of each y."""
        return (gaussian if self.is_gaussian else laplace)(y - self.centre, self.spread)

    def sigma(self) -> Tensor:
        """The standard deviation: σ, or √2 b."""
        return self.spread if self.is_gaussian else math.sqrt(2) * self.spread

    def reach(self, k: int) -> Tensor:
        """Half the width of the middle part that holds what ±kσ of a Gaussian does."""
        return (k if self.is_gaussian else -math.log1p(-share_within(k))) * self.spread


def share_within(k: int) -> float:
    """How much of a Gaussian lies within ±kσ: 68 %, 95 %, …."""
    return math.erf(k / math.sqrt(2))
