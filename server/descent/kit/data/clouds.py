"""Distributions of points in the plane, for models that learn to draw from them.

All lie within ±`CLOUD_EXTENT` and are drawn anew for every mini-batch, so there is no training set to know by
heart. How near a model's samples come is counted by cells and by modes, on a large sample. A drawing is a
text of one hexadecimal digit per pixel, see `descent.kit.data.drawing`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

import torch
from torch import Tensor

from descent.kit.data.drawing import ink_of
from descent.kit.nn.divergences import cell_counts, jensen_shannon, kullback_leibler

CLOUD_EXTENT = 1.5  # the plane reaches from −CLOUD_EXTENT to CLOUD_EXTENT on both axes
CLOUD_PAD = 32  # pixels along a side of a drawing
MODE_SPREAD = 0.05  # standard deviation of a mode, and of the noise about a curve

CELLS = 24  # along a side of the grid that samples are counted in
LARGE, PAIRED = 1 << 17, 1000  # points of a large sample; those whose distances from each other are taken
PSEUDO = 0.1  # of a sample, added to each cell: KL stays finite where a model never draws
COVERED = 0.2  # of a mode's even share, from which on it counts as found

CloudName = Literal["line", "ring", "spiral", "blobs", "ring-of-8", "grid", "drawn"]
CLOUDS = {
    "line": "line", "ring": "ring", "spiral": "spiral", "blobs": "three blobs", "ring-of-8": "ring of eight",
    "grid": "grid of 25", "drawn": "your drawing",
}  # fmt: skip


def heart() -> str:
    """A drawing to begin with: (x² + y² − 1)³ ≤ x²y³."""
    axis = torch.linspace(-CLOUD_EXTENT, CLOUD_EXTENT, CLOUD_PAD)
    x, y = axis[None], -axis[:, None]
    inside = (x.square() + y.square() - 1) ** 3 <= x.square() * y**3
    return "".join("f" if ink else "0" for ink in inside.flatten().tolist())


@cache
def modes_of(name: CloudName) -> Tensor:
    """The centres of a distribution's modes, (M, 2); none where it has no separate ones."""
    match name:
        case "blobs":
            return torch.tensor([[-0.8, -0.6], [0.8, -0.6], [0.0, 0.9]])
        case "ring-of-8":
            angle = torch.arange(8) / 8 * 2 * math.pi
            return torch.stack([angle.cos(), angle.sin()], 1)
        case "grid":
            axis = torch.linspace(-1, 1, 5)
            return torch.cartesian_prod(axis, axis)
        case _:
            return torch.zeros(0, 2)


def centres_of(name: CloudName) -> Tensor:
    """The centres, (M, 2), of the Gaussians that a distribution is made of; none of a drawing.

    Their σ is `MODE_SPREAD`; those of a curve lie along it, closer together than σ.
    """
    modes = modes_of(name)
    if name == "drawn" or len(modes):
        return modes
    return torch.stack(_curve(name, (torch.arange(400) + 0.5) / 400), 1)


def sample_cloud(name: CloudName, count: int, generator: torch.Generator, drawing: str = "") -> Tensor:
    """So many points of a distribution, (count, 2), on the CPU; `drawing` is what "drawn" goes by."""
    if name == "drawn":
        cells = torch.multinomial(_shares(drawing), count, replacement=True, generator=generator)
        row, column = cells // CLOUD_PAD, cells % CLOUD_PAD
        places = torch.stack([column, CLOUD_PAD - 1 - row], 1) + torch.rand(count, 2, generator=generator)
        return (places / CLOUD_PAD * 2 - 1) * CLOUD_EXTENT
    if len(modes := modes_of(name)):
        points = modes[torch.randint(len(modes), (count,), generator=generator)]
    else:
        u = torch.rand(count, generator=generator)
        points = torch.stack(_curve(name, u), 1)
    return points + MODE_SPREAD * torch.randn(count, 2, generator=generator)


def _curve(name: CloudName, u: Tensor) -> tuple[Tensor, Tensor]:
    """x and y at the parts `u` (N,) of a curve's length, about evenly."""
    match name:
        case "line":
            return 2 * u - 1, 1.2 * u - 0.6
        case "ring":
            return (2 * math.pi * u).cos(), (2 * math.pi * u).sin()
        case _:  # spiral: the length grows with the square of the radius
            radius = u.sqrt()
            return radius * (3 * math.pi * radius).cos(), radius * (3 * math.pi * radius).sin()


def cloud_picture(points: Tensor, pixels: int, end: float) -> Tensor:
    """√ of the share of `points` (N, 2) in each pixel of the plane within ±`end`, the top row first.

    Points that are nowhere are in none.
    """
    there = points[points.isfinite().all(1)]
    cells = ((there.clamp(-end, end) + end) / (2 * end) * pixels).long().clamp(max=pixels - 1)
    counts = (cells[:, 1] * pixels + cells[:, 0]).bincount(minlength=pixels**2)
    return (counts.view(pixels, pixels).flip(0) / len(points)).sqrt()


@lru_cache(maxsize=4)
def _shares(drawing: str) -> Tensor:
    """The probability of each pixel, (CLOUD_PAD²,): its part of the ink; all alike on a blank pad."""
    if not drawing.strip("0"):
        return torch.full((CLOUD_PAD**2,), CLOUD_PAD**-2.0)
    ink = ink_of(drawing, CLOUD_PAD, CLOUD_PAD).flatten()
    return ink / ink.sum()


@dataclass(frozen=True)
class LargeSample:
    """`points`: (PAIRED, 2), some of it; `shares`: (CELLS²,) by cell; `spread`: mean distance of two points.

    `modes`: (M, 2), as `modes_of` gives them.
    """

    points: Tensor
    shares: Tensor
    spread: Tensor
    modes: Tensor

    def compare(self, points: Tensor) -> dict[str, Tensor]:
        """How far `points` (N, 2) are from it.

        `js` and `kl` of the data against them, in nats. Where there are modes, how many are found, and the
        share of the points within 3σ of one, the `quality`.
        """
        counts = cell_counts(points, CELLS, CLOUD_EXTENT)
        measured = {
            "js": jensen_shannon(self.shares, counts),
            "kl": kullback_leibler(self.shares, counts + PSEUDO),
        }
        if len(self.modes):
            distance, nearest = torch.cdist(points, self.modes).min(1)
            near = nearest[distance < 3 * MODE_SPREAD].bincount(minlength=len(self.modes))  # (M,)
            measured["modes"] = (near * len(self.modes) >= COVERED * len(points)).sum()
            measured["quality"] = near.sum() / len(points)
        return measured

    def excess(self, points: Tensor) -> Tensor:
        """Share of `points` (N, 2) minus share of the data, by cell: (CELLS, CELLS)."""
        counts = cell_counts(points, CELLS, CLOUD_EXTENT)
        return (counts / len(points) - self.shares).view(CELLS, CELLS)


@lru_cache(maxsize=4)
def large_sample(name: CloudName, drawing: str, device: torch.device) -> LargeSample:
    """What a distribution looks like; always the same one."""
    points = sample_cloud(name, LARGE, torch.Generator().manual_seed(0), drawing)
    shares = cell_counts(points, CELLS, CLOUD_EXTENT) / LARGE
    some = points[:PAIRED]
    parts = some, shares, torch.pdist(some).mean(), modes_of(name)
    return LargeSample(*(part.to(device) for part in parts))
