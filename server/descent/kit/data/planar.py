"""Labelled points of the plane: the data sets and features of TensorFlow Playground, and their mini-batches.

Two classes are labelled −1 and +1; regression targets are of the order of 1. The plane shown is [−6, 6]².
`noise` runs from 0 to 0.5. As in the original, it moves the points of `gauss` and `spiral`, and where
the label is a rule of the place (`circle`, `xor`, `plane`, `multi-gauss`) it leaves the points alone and
reads the rule at a displaced place.

Source: tensorflow/playground, `src/dataset.ts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from descent.contract import KnobError
from descent.kit.data.batches import batches_per_epoch, minibatch

EXTENT = 6.0  # the plane shown reaches from −EXTENT to EXTENT on both axes

_CENTRES = (
    (-4.0, 2.5, 1.0),
    (0.0, 2.5, -1.0),
    (4.0, 2.5, 1.0),
    (-4.0, -2.5, -1.0),
    (0.0, -2.5, 1.0),
    (4.0, -2.5, -1.0),
)


@dataclass(frozen=True)
class Samples:
    """`points`: float32 (N, 2). `labels`: float32 (N, 1)."""

    points: torch.Tensor
    labels: torch.Tensor


Maker = Callable[[int, float, torch.Generator], Samples]


def _uniform(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _halves(count: int) -> torch.Tensor:
    """Labels (count, 1): +1 for the first half, −1 for the rest."""
    return torch.where(torch.arange(count) < (count + 1) // 2, 1.0, -1.0)[:, None]


def circle(count: int, noise: float, generator: torch.Generator) -> Samples:
    """A disc of radius 2.5 (+1) within a ring from 3.5 to 5 (−1)."""
    inner = _halves(count) > 0  # (N, 1)
    u = torch.rand((count, 1), generator=generator)
    radius = torch.where(inner, 2.5 * u, 3.5 + 1.5 * u)
    angle = _uniform(0, 2 * math.pi, (count, 1), generator)
    points = radius * torch.cat([angle.sin(), angle.cos()], 1)
    seen = points + noise * _uniform(-5, 5, (count, 2), generator)
    return Samples(points, torch.where(seen.norm(dim=1, keepdim=True) < 2.5, 1.0, -1.0))


def xor(count: int, noise: float, generator: torch.Generator) -> Samples:
    """Four squares with gaps of 0.6 between them, labelled by the sign of x₁x₂."""
    points = _uniform(-5, 5, (count, 2), generator)
    points += torch.where(points > 0, 0.3, -0.3)
    seen = points + noise * _uniform(-5, 5, (count, 2), generator)
    return Samples(points, torch.where(seen.prod(1, keepdim=True) >= 0, 1.0, -1.0))


def gauss(count: int, noise: float, generator: torch.Generator) -> Samples:
    """Two normal clouds about ±(2, 2), of variance 0.5 at no noise and 4 at full."""
    labels = _halves(count)
    spread = math.sqrt(0.5 + 7 * noise)
    return Samples(2 * labels + spread * torch.randn((count, 2), generator=generator), labels)


def spiral(count: int, noise: float, generator: torch.Generator) -> Samples:
    """Two arms, one opposite the other, of 1¾ turns out to radius 5."""
    labels = _halves(count)
    first = (count + 1) // 2
    along = torch.cat([torch.arange(first) / first, torch.arange(count - first) / max(count - first, 1)])[
        :, None
    ]
    angle = 1.75 * 2 * math.pi * along + torch.where(labels > 0, 0.0, math.pi)
    points = 5 * along * torch.cat([angle.sin(), angle.cos()], 1)
    return Samples(points + noise * _uniform(-1, 1, (count, 2), generator), labels)


def plane(count: int, noise: float, generator: torch.Generator) -> Samples:
    """Regression: the target rises along the diagonal, (x₁ + x₂) / 10, so from −1.2 to 1.2."""
    points = _uniform(-EXTENT, EXTENT, (count, 2), generator)
    seen = points + noise * _uniform(-EXTENT, EXTENT, (count, 2), generator)
    return Samples(points, seen.sum(1, keepdim=True) / 10)


def multi_gauss(count: int, noise: float, generator: torch.Generator) -> Samples:
    """Regression: six cones of alternating sign, height 1 and radius 2."""
    points = _uniform(-EXTENT, EXTENT, (count, 2), generator)
    seen = points + noise * _uniform(-EXTENT, EXTENT, (count, 2), generator)
    centres = torch.tensor(_CENTRES)  # (6, 3): x₁, x₂, sign
    heights = (1 - torch.cdist(seen, centres[:, :2]) / 2).clamp(min=0) * centres[:, 2]  # (N, 6)
    return Samples(points, heights.gather(1, heights.abs().argmax(1, keepdim=True)))


CLASSIFICATION: dict[str, Maker] = {"circle": circle, "xor": xor, "gauss": gauss, "spiral": spiral}
REGRESSION: dict[str, Maker] = {"plane": plane, "multi-gauss": multi_gauss}
PATTERNS = CLASSIFICATION | REGRESSION


def pictured(makers: Mapping[str, Maker], points: int = 64) -> dict[str, list[list[float]]]:
    """What each data set looks like without noise: points x, y and label, all within ±1."""
    found = {}
    for name, maker in makers.items():
        drawn = maker(points, 0.0, torch.Generator().manual_seed(0))
        rows = torch.cat([drawn.points / EXTENT, drawn.labels], 1)  # (N, 3)
        found[name] = [[round(number, 2) for number in row] for row in rows.tolist()]
    return found


Feature = Literal["x1", "x2", "x1^2", "x2^2", "x1*x2", "sin x1", "sin x2"]
PLANE_FEATURES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "x1": lambda x1, x2: x1,
    "x2": lambda x1, x2: x2,
    "x1^2": lambda x1, x2: x1 * x1,
    "x2^2": lambda x1, x2: x2 * x2,
    "x1*x2": lambda x1, x2: x1 * x2,
    "sin x1": lambda x1, x2: x1.sin(),
    "sin x2": lambda x1, x2: x2.sin(),
}


FEATURE_LABELS = {"x1": "x₁", "x2": "x₂", "x1^2": "x₁²", "x2^2": "x₂²", "x1*x2": "x₁x₂"}
FEATURE_LABELS |= {"sin x1": "sin x₁", "sin x2": "sin x₂"}

NO_CLASS = "the label of point {number} is {label}; it must be −1 or 1"
OUT_OF_RANGE = "the label of point {number} is {label}; it must be from −1 to 1"


def check_labels(points: Sequence[Sequence[float]], knob: str, classes: bool) -> None:
    """Raise `KnobError` for `knob` where the label of a point x, y, label is no class, or beyond ±1."""
    for number, (_, _, label) in enumerate(points):
        if abs(label) != 1 and classes:
            raise KnobError(knob, NO_CLASS, number=number, label=label)
        if abs(label) > 1:
            raise KnobError(knob, OUT_OF_RANGE, number=number, label=label)


def encode(points: torch.Tensor, features: Sequence[str]) -> torch.Tensor:
    """`features` of the `points` (N, 2), by their names in `PLANE_FEATURES`: (N, len(features))."""
    x1, x2 = points.unbind(1)
    return torch.stack([PLANE_FEATURES[name](x1, x2) for name in features], 1)


def grid(size: int) -> torch.Tensor:
    """The centres of size × size cells that tile the plane, row by row from the lowest y: (size², 2)."""
    centres = ((torch.arange(size) + 0.5) / size * 2 - 1) * EXTENT
    x2, x1 = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x1.flatten(), x2.flatten()], 1)


def painted(p: torch.Tensor) -> torch.Tensor:
    """Maps of probabilities (M, H, W) in red, white and blue with a dark border: uint8 (M, H, W, 3)."""
    red, white, blue = torch.tensor(
        [[222, 134, 124], [244, 244, 244], [126, 160, 222]], device=p.device
    ).float()
    share = (2 * p - 1)[..., None]
    colours = torch.where(share > 0, white.lerp(blue, share.abs()), white.lerp(red, share.abs()))
    side = p > 0.5
    border = torch.zeros_like(side)
    border[:, :-1] |= side[:, :-1] != side[:, 1:]
    border[:, :, :-1] |= side[:, :, :-1] != side[:, :, 1:]
    colours[border] = 40.0
    return colours.flip(1).to(torch.uint8)  # row 0 of an image is at the top


class ShuffledBatches:
    """Mini-batches of `inputs` (N, features) and `targets` (N, 1), in the order of `minibatch`.

    An epoch is gathered when its first batch is asked for; gathering batch by batch costs 8 µs a step.
    """

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor, seed: int) -> None:
        self.inputs, self.targets, self.seed = inputs, targets, seed
        self._held: tuple[int, int, int] | None = None  # the seed, epoch and batch size of `_batches`
        self._batches: list[tuple[torch.Tensor, torch.Tensor]] = []

    def per_epoch(self, size: int) -> int:
        """Batches of `size` in one epoch."""
        return batches_per_epoch(size, len(self.inputs))

    def batch(self, n: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of step `n`: a pure function of (seed, n, size)."""
        count = self.per_epoch(size)
        epoch, index = divmod(n, count)
        if self._held != (self.seed, epoch, size):
            steps = range(n - index, n - index + count)
            rows = [minibatch(self.seed, step, size, len(self.inputs)) for step in steps]
            order = torch.cat(rows)
            inputs, targets = self.inputs[order], self.targets[order]
            self._batches = list(zip(inputs.split(size), targets.split(size), strict=True))
            self._held = (self.seed, epoch, size)
        return self._batches[index]
