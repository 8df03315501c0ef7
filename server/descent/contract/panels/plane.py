"""Pictures of the plane: functions, clouds of points, and surfaces to descend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from descent.contract.panels.picture import Array, Note, Picture, Range, check_dims


@dataclass(kw_only=True)
class Field(Picture):
    """A function of the plane, with points on it: a decision map.

    `values`: (H, W), row 0 at the lowest y, column 0 at the lowest x, sampled at cell centres.
    `points`: (N, 2); `labels`: (N,) the target of each, on the same scale as `values`;
    `split`: (N,) uint8, 0 train, 1 test, 2 drawn by the learner. `axes` names the axes; `units`: what the
    ends of both are where something was measured, in its units. `remarks`: on what was made of the data.
    """

    values: Array
    x: Range
    y: Range
    points: Array = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    labels: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    split: Array = field(default_factory=lambda: np.zeros(0, np.uint8))
    range: Range = (-1.0, 1.0)  # where the diverging colours end
    boundary: float | None = None  # draw the line values == boundary
    axes: tuple[str, str] = ("x₁", "x₂")
    units: tuple[Range, Range] | None = None
    remarks: Sequence[Note] = ()

    def __post_init__(self) -> None:
        check_dims("Field", "values", self.values, 2)
        check_dims("Field", "points", self.points, 2)
        if not len(self.points) == len(self.labels) == len(self.split):
            raise ValueError("invalid Field: points, labels and split differ in length")


@dataclass(kw_only=True)
class Arrows(Picture):
    """Clouds of points on a field of the plane, with arrows from some places and a grid bent over it.

    `values`: (H, W) as in `Field`; (0, 0) for no field. `points`: (N, 2); `groups`: uint8 (N,), the index in
    `names` of each. `tails`, `arrows`: (A, 2), where each arrow begins and its vector, drawn `gain` times
    the root of its length long, so that small ones are seen. `mesh`: (R, C, 2), where the places of a regular
    grid of R × C lines have gone; (1, C, 2) a bent line. `pictures`: uint8 (N, H, W) or, in colour,
    (N, H, W, 3), what each point stands for, shown beside it; see `thumbnails`. `labels`: a text for each
    point, or none; they are written where there is room, the first ones first.
    """

    ROOM: ClassVar[int] = 1 << 18  # bytes that the pictures of all points may take: they go with every frame

    values: Array
    x: Range
    y: Range
    points: Array
    groups: Array
    names: Sequence[str]
    labels: Sequence[str] = ()
    tails: Array = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    arrows: Array = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    mesh: Array = field(default_factory=lambda: np.zeros((0, 0, 2), np.float32))
    pictures: Array = field(default_factory=lambda: np.zeros((0, 1, 1), np.uint8))
    range: Range = (-1.0, 1.0)  # where the diverging colours end
    gain: float = 0.1

    def __post_init__(self) -> None:
        for name, dims in (("values", 2), ("points", 2), ("tails", 2), ("arrows", 2), ("mesh", 3)):
            check_dims("Arrows", name, getattr(self, name), dims)
        if len(self.points) != len(self.groups):
            raise ValueError(f"invalid Arrows.groups: {len(self.groups)} for {len(self.points)} points")
        if len(self.labels) not in (0, len(self.points)):
            raise ValueError(f"invalid Arrows.labels: {len(self.labels)} for {len(self.points)} points")
        if len(self.tails) != len(self.arrows):
            raise ValueError(f"invalid Arrows.tails: {len(self.tails)} for {len(self.arrows)} arrows")
        if len(self.pictures) not in (0, len(self.points)) or self.pictures.ndim not in (3, 4):
            shape = tuple(self.pictures.shape)
            raise ValueError(f"invalid Arrows.pictures: shape {shape} for {len(self.points)} points")
        if (size := math.prod(self.pictures.shape)) > self.ROOM:
            raise ValueError(f"invalid Arrows.pictures: {size} bytes, at most {self.ROOM}; use thumbnails")

    @classmethod
    def thumbnails(cls, pixels: torch.Tensor) -> torch.Tensor:
        """`pictures` of these pixels, smaller by a whole factor where they would take more than `ROOM`."""
        factor = math.ceil(math.sqrt(pixels.numel() / cls.ROOM))
        if factor <= 1:
            return pixels
        planes = pixels.movedim(-1, 1) if pixels.ndim == 4 else pixels[:, None]  # (N, C, H, W)
        small = avg_pool2d(planes.float(), factor).round().to(torch.uint8)
        return small.movedim(1, -1) if pixels.ndim == 4 else small[:, 0]


@dataclass(kw_only=True)
class Contour(Picture):
    """A loss surface over the plane with the trajectories that descend it.

    `values`: (H, W), row 0 at the lowest y, sampled on a grid that includes both ends of `x` and `y`.
    `paths`: (P, T, 2), oldest point first, NaN where a path has no point yet; `heights`: (P, T).
    `surface` names the surface: while it stays the same, the page keeps its contour lines. `out` says
    which paths have ended because they left for good; a path without any point has not begun.
    """

    values: Array
    x: Range
    y: Range
    paths: Array
    heights: Array
    names: Sequence[str]
    surface: str
    minima: Sequence[Range] = ()
    start: Range | None = None
    out: Sequence[bool] = ()
    log: bool = True  # colour and lines by log(value − min), which shows narrow valleys
    axes: tuple[str, str] = ("x", "y")

    def __post_init__(self) -> None:
        check_dims("Contour", "values", self.values, 2)
        check_dims("Contour", "paths", self.paths, 3)
        if len(self.names) != len(self.paths):
            raise ValueError(f"invalid Contour.names: {len(self.names)} for {len(self.paths)} paths")
        if len(self.out) not in (0, len(self.paths)):
            raise ValueError(f"invalid Contour.out: {len(self.out)} for {len(self.paths)} paths")
