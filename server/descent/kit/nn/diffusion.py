"""Diffusion: how noise is added, how it is taken away again, and two networks that predict it.

Ho, Jain and Abbeel 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239 (eq. 2, 4, 14); Nichol
and Dhariwal 2021, arXiv:2102.09672 (the cosine schedule, eq. 17); Song, Meng and Ermon 2021, arXiv:2010.02502
(DDIM, eq. 12, 16); Ho and Salimans 2022, arXiv:2207.12598 (guidance, eq. 6).

ᾱ is indexed by the level t, from ᾱ_0 = 1, no noise, to ᾱ_T. A network is called as ε(x, t, c) with levels t
(B,) and classes c (B,), `CLASSES` for none.

Departures: the U-Net has two resolutions, no attention and no dropout. x̂_0 is kept within the range of the
data, as in the code of Ho et al., and ε follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 1000  # T
CLASSES = 10  # of digits; this number itself stands for no class

ScheduleName = Literal["linear", "cosine"]
Epsilon = Callable[[Tensor, Tensor, Tensor], Tensor]


def betas_of(schedule: ScheduleName) -> Tensor:
    """β_1 … β_T (T,), float64."""
    if schedule == "linear":  # Ho et al., §4
        return torch.linspace(1e-4, 0.02, LEVELS, dtype=torch.float64)
    t = torch.arange(LEVELS + 1, dtype=torch.float64) / LEVELS
    f = ((t + 0.008) / 1.008 * math.pi / 2).cos().square()
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


def alpha_bars(schedule: ScheduleName) -> Tensor:
    """ᾱ_0 … ᾱ_T (T + 1,): ᾱ_t = Π_{s ≤ t} (1 − β_s), float64."""
    alphas = 1 - betas_of(schedule)
    return torch.cat([torch.ones(1, dtype=torch.float64), alphas.cumprod(0)])


def noised(x0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε (Ho et al., eq. 4); ᾱ_t is a number, or (B,) for x_0 and ε (B, …)."""
    a = alpha_bar.view(-1, *[1] * (x0.dim() - 1)) if alpha_bar.dim() else alpha_bar
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def clean(x: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """x̂_0 = (x_t − √(1 − ᾱ_t) ε) / √ᾱ_t: what `noised` began with, if ε is right."""
    a = alpha_bar.view(-1, *[1] * (x.dim() - 1)) if alpha_bar.dim() else alpha_bar
    return (x - (1 - a).sqrt() * eps) / a.sqrt()


def ddim_step(x: Tensor, eps: Tensor, a: Tensor, b: Tensor, eta: float, z: Tensor, reach: float) -> Tensor:
    """From level t with ᾱ_t = `a` to a lower one with ᾱ = `b` (Song et al., eq. 12); x̂_0 within ±`reach`.

    η = 0 is deterministic; η = 1 adds the noise `z` of DDPM (eq. 16).
    """
    x0 = clean(x, eps, a).clamp(-reach, reach)
    eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
    sigma = eta * ((1 - b) / (1 - a)).sqrt() * (1 - a / b).sqrt()
    return b.sqrt() * x0 + (1 - b - sigma.square()).clamp(min=0).sqrt() * eps + sigma * z


def sampling_levels(steps: int) -> list[int]:
    """The levels that a sample passes through, evenly from T to 0: `steps` + 1 of them."""
    return torch.linspace(LEVELS, 0, steps + 1).round().long().tolist()


def sample(
    epsilon: Epsilon,
    x: Tensor,
    c: Tensor,
    alpha_bar: Tensor,
    *,
    steps: int,
    reach: float,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Tensor]:
    """The way back from noise x_T (B, …), at each of `sampling_levels`: the last is x_0."""
    levels = sampling_levels(steps)
    path = [x]
    for above, below in pairwise(levels):
        eps = epsilon(x, torch.full((len(x),), above, device=x.device), c)
        z = torch.randn(x.shape, generator=generator).to(x.device) if eta else torch.zeros_like(x)
        x = ddim_step(x, eps, alpha_bar[above], alpha_bar[below], eta, z, reach)
        path.append(x)
    return path


def guided(epsilon: Epsilon, w: float) -> Epsilon:
    """ε̃ = (1 + w) ε(x, t, c) − w ε(x, t) (Ho and Salimans, eq. 6).

    w = 0 is the model given the class, w = −1 the one given none.
    """

    def both(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        none = torch.full_like(c, CLASSES)
        if w == 0:
            return epsilon(x, t, c)
        if w == -1:
            return epsilon(x, t, none)
        with_class, without = epsilon(
            x.repeat(2, *[1] * (x.dim() - 1)), t.repeat(2), torch.cat([c, none])
        ).chunk(2)
        return (1 + w) * with_class - w * without

    return both


def mixture(x: Tensor, centres: Tensor, spread: float, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """log q(x_t), but for a constant, and its exact score, of data that are Gaussians about `centres` (M, D).

    x is (N, D) and ᾱ_t a number, or (N,). Noised, they are Gaussians about √ᾱ_t of the centres, of variance
    ᾱ_t `spread`² + 1 − ᾱ_t. The best ε possible is −√(1 − ᾱ_t) of the score.
    """
    a = alpha_bar.reshape(-1, 1)  # (N or 1, 1)
    variance = a * spread**2 + 1 - a
    moved = a.sqrt()[..., None] * centres  # (N or 1, M, D)
    away = moved - x[:, None]  # (N, M, D)
    exponent = -away.square().sum(2) / (2 * variance)  # (N, M)
    score = (exponent.softmax(1)[..., None] * away).sum(1) / variance
    return exponent.logsumexp(1), score


def density(
    centres: Tensor, spread: float, alpha_bar: Tensor, ends: tuple[float, float], side: int
) -> Tensor:
    """q(x_t) of `mixture` in the cells of a square, (side, side), low y first; the highest is 1."""
    axis = (torch.arange(side, device=centres.device) + 0.5) / side * (ends[1] - ends[0]) + ends[0]
    log_q = mixture(torch.cartesian_prod(axis, axis).flip(1), centres, spread, alpha_bar)[0]
    return (log_q - log_q.max()).exp().view(side, side)


def time_embedding(t: Tensor, size: int) -> Tensor:
    """Sines and cosines of the level t (B,) → (B, size), as in "Attention is all you need", §3.5."""
    half = size // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / half)
    angle = t[:, None] * frequencies  # (B, size/2)
    return torch.cat([angle.sin(), angle.cos()], 1)


class PointDenoiser(nn.Module):
    """ε of points of the plane (B, 2): a perceptron, the level added in each layer. No class."""

    def __init__(self, width: int, layers: int = 3) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(32, width), nn.SiLU())
        self.inputs = nn.ModuleList(nn.Linear(2 if i == 0 else width, width) for i in range(layers))
        self.levels = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.out = nn.Linear(width, 2)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """ε_θ(x_t, t), (B, 2)."""
        embedded = self.time(time_embedding(t, 32))
        for layer, level in zip(self.inputs, self.levels, strict=True):
            x = F.silu(layer(x) + level(embedded))  # (B, width)
        out: Tensor = self.out(x)
        return out


class Block(nn.Module):
    """Two convolutions with a shortcut, level and class added in between (Ho et al., appendix B)."""

    def __init__(self, below: int, above: int, embedded: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(8, below), nn.SiLU(), nn.Conv2d(below, above, 3, padding=1))
        self.level = nn.Linear(embedded, above)
        self.second = nn.Sequential(nn.GroupNorm(8, above), nn.SiLU(), nn.Conv2d(above, above, 3, padding=1))
        self.shortcut = nn.Conv2d(below, above, 1) if below != above else nn.Identity()

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """(B, below, H, W) → (B, above, H, W)."""
        h = self.first(x) + self.level(embedded)[:, :, None, None]
        out: Tensor = self.second(h) + self.shortcut(x)
        return out


class UNet(nn.Module):
    """ε of pictures (B, 1, H, W) with H and W even: down to half the size, and up again beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        size = 2 * width
        self.time = nn.Sequential(nn.Linear(width, size), nn.SiLU(), nn.Linear(size, size))
        self.label = nn.Embedding(CLASSES + 1, size)
        self.inside = nn.Conv2d(1, width, 3, padding=1)
        self.down = Block(width, width, size)
        self.shrink = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.middle = nn.ModuleList([Block(2 * width, 2 * width, size) for _ in range(2)])
        self.enlarge = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.up = Block(2 * width, width, size)
        self.outside = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, 1, 3, padding=1))
        self.width = width

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """ε_θ(x_t, t, c), (B, 1, H, W)."""
        embedded = F.silu(self.time(time_embedding(t, self.width)) + self.label(c))  # (B, 2·width)
        fine = self.down(self.inside(x), embedded)  # (B, width, H, W)
        coarse = self.shrink(fine)  # (B, 2·width, H/2, W/2)
        for block in self.middle:
            coarse = block(coarse, embedded)
        joined = torch.cat([self.enlarge(coarse), fine], 1)  # (B, 2·width, H, W)
        out: Tensor = self.outside(self.up(joined, embedded))
        return out
