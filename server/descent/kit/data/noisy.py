"""A curve under noise of known size, and labels of known probability: data that can be judged exactly.

    y = f(x) + σ(x)·ν,  σ(x) = s·exp(gx),  ν of mean 0 and standard deviation 1, Gaussian or Laplace
    P(label 1 | x) = 1 / (1 + exp(−3 f(x)))

x is uniform within ±2. f is sin 2x (`wave`) or 0.8x + 0.3 (`line`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Laplace

REACH = 2.0  # x lies within ±REACH
OUTLIER = 3.0  # how far up an outlier is moved


@dataclass(frozen=True)
class Noisy:
    """The random part of the data. `x`: (N, 1); `noise`: ν, (N,); `queue`: (N,) in [0, 1], the lowest become
    outliers first; `labels`: one-hot, (N, 2).
    """

    x: Tensor
    noise: Tensor
    queue: Tensor
    labels: Tensor

    def targets(self, curve: str, s: float, g: float, outliers: float = 0.0) -> Tensor:
        """y (N,), of which a share of `outliers` is moved up by `OUTLIER`."""
        y = truth(self.x, curve) + true_sigma(self.x, s, g) * self.noise
        return y + OUTLIER * (self.queue < outliers)


def draw(count: int, curve: str, kind: str, generator: torch.Generator, device: torch.device) -> Noisy:
    """`count` points whose noise is of the `kind` gaussian or laplace."""
    x = REACH * (2 * torch.rand(count, 1, generator=generator) - 1)
    if kind == "gaussian":
        noise = torch.randn(count, generator=generator)
    else:  # of scale 1/√2, so that its standard deviation is 1
        share = torch.rand(count, generator=generator).clamp(1e-6, 1 - 1e-6)
        noise = Laplace(0.0, math.sqrt(0.5)).icdf(share)
    queue = torch.rand(count, generator=generator)
    one = (torch.rand(count, generator=generator) < true_probability(x, curve)).float()
    labels = torch.stack([1 - one, one], 1)
    return Noisy(x.to(device), noise.to(device), queue.to(device), labels.to(device))


def truth(x: Tensor, curve: str) -> Tensor:
    """f of x (N, 1): (N,)."""
    return torch.sin(2 * x[:, 0]) if curve == "wave" else 0.8 * x[:, 0] + 0.3


def true_sigma(x: Tensor, s: float, g: float) -> Tensor:
    """σ(x) of x (N, 1): (N,)."""
    return s * torch.exp(g * x[:, 0])


def true_probability(x: Tensor, curve: str) -> Tensor:
    """P(label 1 | x) of x (N, 1): (N,)."""
    return torch.sigmoid(3 * truth(x, curve))
