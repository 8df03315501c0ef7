"""Charts: bars, distributions, curves and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from descent.contract.panels.picture import Array, Note, Picture, Range, check_dims


@dataclass(kw_only=True)
class Bars(Picture):
    """Grouped bars. `values`: (S, N), one row per series. `note`: what was asked, if anything, above them."""

    values: Array
    labels: Sequence[str]
    series: Sequence[str] = ("",)
    range: Range | None = None
    log: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        check_dims("Bars", "values", self.values, 2)
        if tuple(self.values.shape) != (len(self.series), len(self.labels)):
            raise ValueError(f"invalid Bars.values: {tuple(self.values.shape)} for its series and labels")


@dataclass(kw_only=True)
class Histogram(Picture):
    """Distributions one under the other. `counts`: (R, B); `edges`: (R, B + 1), one row per name."""

    counts: Array
    edges: Array
    names: Sequence[str]

    def __post_init__(self) -> None:
        check_dims("Histogram", "counts", self.counts, 2)
        rows, bins = self.counts.shape
        if tuple(self.edges.shape) != (rows, bins + 1) or len(self.names) != rows:
            raise ValueError(f"invalid Histogram: counts {rows}×{bins}, edges {tuple(self.edges.shape)}")

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], bins: int = 40, range: Range | None = None) -> Histogram:
        """One row per tensor, each over its own finite range.

        With a `range` all have that one: what lies outside is counted in the outermost bars, NaN nowhere.
        """
        counts: list[Array] = []
        edges: list[Array] = []
        for values in tensors.values():
            if range is None:
                flat = values.detach().float().cpu().numpy().ravel()
                count, edge = np.histogram(flat[np.isfinite(flat)], bins)
                counts.append(count.astype(np.float32))
                edges.append(edge.astype(np.float32))
            else:
                inside = values.detach()[~values.isnan()].clamp(*range)
                counts.append(torch.histc(inside, bins, *range).cpu().numpy())
                edges.append(torch.linspace(*range, bins + 1).numpy())
        return cls(counts=np.stack(counts), edges=np.stack(edges), names=list(tensors))


@dataclass(kw_only=True)
class Ranking(Picture):
    """A table the learner can sort, with a small bar in each cell. `values`: (N, C), NaN for none.

    `names`: one per row; `ids`: what picking a row sets the knob in the panel's `edits` to, negative for a
    row that is not itself ranked but something to compare the others with. `ranges`: the value range of each
    column's bars, which start at 0. `baseline`: (C,) what chance reaches, marked in each
    column, NaN for no mark. `sort`: the column it is sorted by at first, largest first. `chosen`: an id.
    """

    values: Array
    names: Sequence[str]
    columns: Sequence[str]
    ranges: Sequence[Range]
    ids: Sequence[int] = ()
    baseline: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    sort: int = 0
    chosen: int | None = None

    def __post_init__(self) -> None:
        check_dims("Ranking", "values", self.values, 2)
        rows, columns = self.values.shape
        if (rows, columns) != (len(self.names), len(self.columns)) or columns != len(self.ranges):
            raise ValueError(f"invalid Ranking.values: {rows}×{columns} for its names, columns and ranges")
        if len(self.ids) not in (0, rows):
            raise ValueError(f"invalid Ranking.ids: {len(self.ids)} for {rows} rows")
        if len(self.baseline) not in (0, columns):
            raise ValueError(f"invalid Ranking.baseline: {len(self.baseline)} for {columns} columns")


@dataclass(kw_only=True)
class Lines(Picture):
    """Curves over `x`, one chart per group. `x`: (n,); `values`: (G, S, n), NaN where there is none.

    `groups` and `series` name the charts and, in each, the curves; `values` (S, n) are those of one. `low`
    and `high`, shaped like `values` or empty, bound a shaded band around each curve. `dots`: (N, 4), single
    points as group, series (whose colour it takes; −1: none's), x and y. For each group there may be in
    `marks` named places on the x axis, in `notes` a line of text, such as a formula with its numbers, and in
    `y_ranges` what part of the y axis is worth seeing. `y_label`, `remarks`: on all of them.
    """

    x: Array
    values: Array
    series: Sequence[str]
    groups: Sequence[str] = ("",)
    x_label: str = ""
    y_label: str = ""
    x_log: bool = False
    y_log: bool = False
    marks: Sequence[Sequence[tuple[str, float]]] = ()
    notes: Sequence[str] = ()
    y_ranges: Sequence[Range] = ()
    remarks: Sequence[Note] = ()
    low: Array = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    high: Array = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    dots: Array = field(default_factory=lambda: np.zeros((0, 4), np.float32))

    @staticmethod
    def dot(x: Any, y: Any, *, series: int = -1, group: int = 0) -> torch.Tensor:
        """Points for `dots`, (N, 4), at the places x and y: tensors or numbers."""
        x, y = torch.broadcast_tensors(*(torch.as_tensor(at).reshape(-1) for at in (x, y)))
        return torch.stack([torch.full_like(x, group), torch.full_like(x, series), x, y], 1)

    def __post_init__(self) -> None:
        check_dims("Lines", "x", self.x, 1)
        for name in ("values", "low", "high"):
            if getattr(self, name).ndim == 2:
                setattr(self, name, getattr(self, name)[None])
        check_dims("Lines", "values", self.values, 3)
        if self.dots.ndim != 2 or self.dots.shape[1] != 4:
            raise ValueError(f"invalid Lines.dots: shape {tuple(self.dots.shape)}, expected (N, 4)")
        for name in ("low", "high"):
            if tuple(getattr(self, name).shape) not in ((0, 0, 0), tuple(self.values.shape)):
                raise ValueError(
                    f"invalid Lines.{name}: {tuple(getattr(self, name).shape)}, unlike its values"
                )
        if tuple(self.values.shape) != (len(self.groups), len(self.series), len(self.x)):
            raise ValueError(f"invalid Lines.values: {tuple(self.values.shape)} for its groups, series and x")
        for name in ("marks", "notes", "y_ranges"):
            if len(getattr(self, name)) not in (0, len(self.groups)):
                raise ValueError(f"invalid Lines.{name}: {len(getattr(self, name))} for the groups")
