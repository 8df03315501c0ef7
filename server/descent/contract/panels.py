"""What a panel can show: one small dataclass of arrays per panel kind, and the decorator that declares it.

A probe is a method of an experiment that returns one of these pictures. The kind's name is the class
name in lower case; the page draws it with `frontend/src/panels/<kind>/<Kind>.svelte`. Fields that hold arrays
travel as tensors, every other field as JSON beside them (see `wire.py`).

Shape letters: `H`, `W` rows and columns of a map, `N` items, `P` paths, `T` points of a path, `L` layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

Array = np.ndarray | torch.Tensor
Size = Literal["hero", "wide", "small"]
Scale = Literal["sequential", "diverging"]
Range = tuple[float, float]
LayerType = Literal["convolution", "pooling", "norm", "dense"]


def _check(kind: str, name: str, value: Array, dims: int) -> None:
    if value.ndim != dims:
        raise ValueError(f"invalid {kind}.{name}: expected {dims} dimensions, got shape {tuple(value.shape)}")


class Note(NamedTuple):
    """A sentence under a picture, translated by the table `words`. `{name}` in it is `values[name]`."""

    text: str
    values: Mapping[str, str | int] = {}


class Picture:
    """One update of one panel, before it is encoded."""

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type[Picture]]] = {}

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__.lower()
        Picture.kinds[cls.kind] = cls


@dataclass(kw_only=True)
class Images(Picture):
    """A grid of `N` small images. `pixels`: uint8, (N, H, W) grey or (N, H, W, 3) colour."""

    pixels: Array
    columns: int | None = None  # None: as square a grid as N allows
    captions: Sequence[str] = ()  # one per image, or none

    def __post_init__(self) -> None:
        if self.pixels.ndim not in (3, 4):
            raise ValueError(f"invalid Images.pixels: shape {tuple(self.pixels.shape)}")
        if len(self.captions) not in (0, len(self.pixels)):
            raise ValueError(f"invalid Images.captions: {len(self.captions)} for {len(self.pixels)} images")

    @staticmethod
    def to_pixels(values: torch.Tensor, low: float = -1.0, high: float = 1.0) -> torch.Tensor:
        """Map `values` (any shape) from [low, high] to uint8 0…255, clamping what lies outside."""
        return ((values.detach() - low) * (255.0 / (high - low))).round_().clamp_(0, 255).to(torch.uint8)

    @staticmethod
    def signed(values: torch.Tensor) -> torch.Tensor:
        """Colours (…, 3) of `values` (…) within ±1: blue for positive, red for negative, black for 0."""
        blue, red = torch.tensor([[110.0, 165, 255], [255, 110, 90]], device=values.device)
        colours: torch.Tensor
        colours = values.clamp(min=0)[..., None] * blue + values.clamp(max=0).neg()[..., None] * red
        return colours.to(torch.uint8)


@dataclass(kw_only=True)
class Heatmap(Picture):
    """A matrix of numbers. `values`: (R, C), NaN where there is none. Row 0 is drawn at the top."""

    values: Array
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    x_label: str = ""
    y_label: str = ""
    scale: Scale = "sequential"
    range: Range | None = None  # None: the data's own; a diverging scale is made symmetric about 0
    annotate: bool = False  # write each value into its cell

    def __post_init__(self) -> None:
        _check("Heatmap", "values", self.values, 2)

    @classmethod
    def confusion(
        cls, truth: torch.Tensor, said: torch.Tensor, names: Sequence[str], range: Range | None = None
    ) -> Heatmap:
        """The confusion matrix, true classes as rows: `truth` and `said` hold classes from 0."""
        n = len(names)
        counts = torch.bincount((truth * n + said).flatten(), minlength=n * n).view(n, n)
        labels = {"rows": names, "columns": names, "x_label": "predicted", "y_label": "true"}
        return cls(values=counts, **labels, range=range, annotate=True)  # type: ignore[arg-type]


@dataclass(kw_only=True)
class Field(Picture):
    """A function of the plane, with points on it: a decision map.

    `values`: (H, W), row 0 at the lowest y, column 0 at the lowest x, sampled at cell centres.
    `points`: (N, 2); `labels`: (N,) the target of each, on the same scale as `values`;
    `split`: (N,) uint8, 0 train, 1 test, 2 drawn by the learner.
    """

    values: Array
    x: Range
    y: Range
    points: Array = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    labels: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    split: Array = field(default_factory=lambda: np.zeros(0, np.uint8))
    range: Range = (-1.0, 1.0)  # where the diverging colours end
    boundary: float | None = None  # draw the line values == boundary

    def __post_init__(self) -> None:
        _check("Field", "values", self.values, 2)
        _check("Field", "points", self.points, 2)
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
            _check("Arrows", name, getattr(self, name), dims)
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
class Graph(Picture):
    """A layered network with one small map per unit.

    `layers`: units per layer, input first. `weights`: all W_l (out × in, row-major) one after the other.
    `biases`: one value per unit, input units included (0). `maps`: (sum(layers), H, W), each unit's
    output over the plane, row 0 at the lowest y. Units and maps are in the same order, layer by layer.
    """

    layers: Sequence[int]
    weights: Array
    biases: Array
    maps: Array
    labels: Sequence[str] = ()  # names of the input units
    range: Range = (-1.0, 1.0)

    def __post_init__(self) -> None:
        edges = sum(a * b for a, b in zip(self.layers, self.layers[1:], strict=False))
        if self.weights.shape != (edges,):
            raise ValueError(f"invalid Graph.weights: {tuple(self.weights.shape)}, layers need ({edges},)")
        if not len(self.biases) == len(self.maps) == sum(self.layers):
            raise ValueError("invalid Graph: biases and maps need one entry per unit")


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
        _check("Contour", "values", self.values, 2)
        _check("Contour", "paths", self.paths, 3)
        if len(self.names) != len(self.paths):
            raise ValueError(f"invalid Contour.names: {len(self.names)} for {len(self.paths)} paths")
        if len(self.out) not in (0, len(self.paths)):
            raise ValueError(f"invalid Contour.out: {len(self.out)} for {len(self.paths)} paths")


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
        _check("Bars", "values", self.values, 2)
        if tuple(self.values.shape) != (len(self.series), len(self.labels)):
            raise ValueError(f"invalid Bars.values: {tuple(self.values.shape)} for its series and labels")


@dataclass(kw_only=True)
class Histogram(Picture):
    """Distributions one under the other. `counts`: (R, B); `edges`: (R, B + 1), one row per name."""

    counts: Array
    edges: Array
    names: Sequence[str]

    def __post_init__(self) -> None:
        _check("Histogram", "counts", self.counts, 2)
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
class Attention(Picture):
    """Attention maps, one per layer and head, over the same tokens.

    `weights`: (L, M, Q, K) for L layers of M heads, each row over the keys sums to 1. `masked`: uint8
    (Q, K), 1 where a query may not look, or (0, 0) where it may look anywhere. `queries`, `keys`: the Q
    and K tokens.
    """

    weights: Array
    queries: Sequence[str]
    keys: Sequence[str]
    masked: Array = field(default_factory=lambda: np.zeros((0, 0), np.uint8))

    def __post_init__(self) -> None:
        _check("Attention", "weights", self.weights, 4)
        shape = tuple(self.weights.shape[2:])
        if shape != (len(self.queries), len(self.keys)):
            raise ValueError(
                f"invalid Attention: maps of {shape}, {len(self.queries)} queries and {len(self.keys)} keys"
            )
        if tuple(self.masked.shape) not in ((0, 0), shape):
            raise ValueError(f"invalid Attention.masked: {tuple(self.masked.shape)} for maps of {shape}")


@dataclass(kw_only=True)
class Tokens(Picture):
    """A text coloured by one value per token, blue where it is positive, red where it is negative.

    `tokens`: N strings, or one string of N characters. `values`: (N,), NaN where there is none. `position`:
    the token that is picked. `marks`: uint8 (N,), 1 where a token is underlined because it has the
    property `mark_name`; empty for no underlines. `notes`: remarks on this text.
    """

    tokens: str | Sequence[str]
    values: Array
    range: Range = (-1.0, 1.0)
    position: int | None = None
    marks: Array = field(default_factory=lambda: np.zeros(0, np.uint8))
    mark_name: str = ""
    name: str = ""  # what the value is: "cell 12 of layer 1"
    notes: Sequence[Note] = ()

    def __post_init__(self) -> None:
        _check("Tokens", "values", self.values, 1)
        if len(self.values) != len(self.tokens):
            raise ValueError(f"invalid Tokens: {len(self.values)} values for {len(self.tokens)} tokens")
        if len(self.marks) not in (0, len(self.tokens)):
            raise ValueError(f"invalid Tokens.marks: {len(self.marks)} for {len(self.tokens)} tokens")


@dataclass(kw_only=True)
class Traces(Picture):
    """Aligned curves under a text, one below the other. `values`: (S, N), NaN where there is none.

    `names`: one per curve; `ranges`: the value range of each. `tokens` and `position` as in `Tokens`.
    """

    values: Array
    names: Sequence[str]
    ranges: Sequence[Range]
    tokens: str | Sequence[str]
    position: int | None = None

    def __post_init__(self) -> None:
        _check("Traces", "values", self.values, 2)
        if tuple(self.values.shape) != (len(self.names), len(self.tokens)):
            raise ValueError(f"invalid Traces.values: {tuple(self.values.shape)} for its names and tokens")
        if len(self.ranges) != len(self.names):
            raise ValueError(f"invalid Traces.ranges: {len(self.ranges)} for {len(self.names)} curves")


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
        _check("Ranking", "values", self.values, 2)
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
    `y_ranges` what part of the y axis is worth seeing. `remarks`: on what all of them show.
    """

    x: Array
    values: Array
    series: Sequence[str]
    groups: Sequence[str] = ("",)
    x_label: str = ""
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
        _check("Lines", "x", self.x, 1)
        for name in ("values", "low", "high"):
            if getattr(self, name).ndim == 2:
                setattr(self, name, getattr(self, name)[None])
        _check("Lines", "values", self.values, 3)
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


@dataclass(kw_only=True)
class Convolution(Picture):
    """A window slides over `input`, (C, H, W), and makes one number of `output`, (H', W'), at each place.

    It covers F × G places, `dilation` apart, and moves by `stride`; `padding` rows and columns of zeros lie
    around the input. `op` says what becomes of a window: the `sum` of its products with `kernel`, (C, F, G),
    over `divisor`; or the `max` or `mean` of its F × G numbers, where `kernel`, (0, F, G), has no weights.
    `range` and `output_range` are those of the colours; an output on a `diverging` scale has both signs.
    """

    input: Array
    kernel: Array
    output: Array
    range: Range
    output_range: Range
    op: Literal["sum", "max", "mean"] = "sum"
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    divisor: float = 1.0
    scale: Scale = "sequential"

    def __post_init__(self) -> None:
        _check("Convolution", "input", self.input, 3)
        _check("Convolution", "kernel", self.kernel, 3)
        channels = len(self.input) if self.op == "sum" else 0
        if len(self.kernel) != channels:
            raise ValueError(f"invalid Convolution.kernel: {len(self.kernel)} channels, expected {channels}")
        expected = tuple(
            self.size(n, f, self.stride, p, self.dilation)
            for n, f, p in zip(self.input.shape[1:], self.kernel.shape[1:], self.padding, strict=True)
        )
        if tuple(self.output.shape) != expected:
            raise ValueError(f"invalid Convolution.output: {tuple(self.output.shape)}, expected {expected}")

    @staticmethod
    def size(n: int, f: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
        """How many places a window of f has along n numbers: ⌊(n + 2p − d(f − 1) − 1)/s⌋ + 1."""
        return (n + 2 * padding - dilation * (f - 1) - 1) // stride + 1


@dataclass(kw_only=True)
class Maps(Picture):
    """What each layer of a network makes of one input, side by side; the input is the first layer.

    `values`: uint8, all maps one after the other, layer by layer, row by row; 128 is 0, and 1 and 255 are
    minus and plus the layer's number in `ranges`. `shapes`: channels shown, rows and columns of each layer;
    `channels`: how many there are in all. `labels`: of the last layer's units. `unit`: layer, channel, row,
    column of the one that is picked. `boxes`: what it is made of, and what is made of it: layer, channel
    (−1: all), top, left, height and width.
    """

    values: Array
    shapes: Sequence[tuple[int, int, int]]
    channels: Sequence[int]
    names: Sequence[str]
    ranges: Sequence[float]
    labels: Sequence[str] = ()
    unit: tuple[int, int, int, int] = (0, 0, 0, 0)
    boxes: Sequence[tuple[int, int, int, int, int, int]] = ()

    def __post_init__(self) -> None:
        size = sum(channels * rows * columns for channels, rows, columns in self.shapes)
        if tuple(self.values.shape) != (size,):
            raise ValueError(f"invalid Maps.values: {tuple(self.values.shape)}, its shapes need ({size},)")
        if not len(self.shapes) == len(self.channels) == len(self.names) == len(self.ranges):
            raise ValueError("invalid Maps: shapes, channels, names and ranges differ in length")

    @classmethod
    def of(cls, outputs: Sequence[torch.Tensor], names: Sequence[str], most: int = 32, **rest: Any) -> Maps:
        """The maps (C, H, W) or values (C,) of each layer, of each the first `most` channels."""
        shown, ranges = [], []
        for output in outputs:
            maps = output[:most] if output.ndim > 1 else output
            ranges.append(float(output.abs().max().clamp(min=1e-12)))
            shown.append((maps / ranges[-1] * 127 + 128).round().clamp(1, 255).to(torch.uint8))
        return cls(
            values=torch.cat([maps.flatten() for maps in shown]),
            shapes=[(*maps.shape, 1, 1)[:3] for maps in shown],
            channels=[len(output) for output in outputs],
            names=names,
            ranges=ranges,
            **rest,
        )


@dataclass(kw_only=True)
class Blueprint(Picture):
    """The layers of a network as boxes from left to right, with what each of them takes.

    `shapes`: channels, rows and columns of the input, and of each layer's output. Of each layer its name,
    its type, its size formula with numbers, empty for none, its parameters, and its multiply-adds
    (`products`).
    """

    shapes: Sequence[tuple[int, int, int]]
    names: Sequence[str]
    types: Sequence[LayerType]
    formulas: Sequence[str]
    parameters: Sequence[int]
    products: Sequence[int]

    def __post_init__(self) -> None:
        for name in ("names", "types", "formulas", "parameters", "products"):
            if len(getattr(self, name)) != len(self.shapes) - 1:
                raise ValueError(f"invalid Blueprint.{name}: one per layer, of {len(self.shapes) - 1}")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture on the page, as the experiment declares it. `name` is the attribute's name.

    `group`: empty for the experiment's own; `effects` for those every experiment with objectives has, which
    the engine draws. `coming`: it shows the coming step, so there is none when the run has ended. `recorded`:
    it is looked at for the record while nobody watches; not where that costs too much.
    """

    name: str
    kind: str
    title: str
    caption: str  # one line: what to look for; empty where the English lesson says it
    size: Size
    options: Mapping[str, Any]
    group: str = ""
    coming: bool = False
    recorded: bool = True


P = TypeVar("P", bound=Picture)
Probe = Callable[[Any, Any], P]


def panel(picture: type[P]) -> Callable[..., Callable[[Probe[P]], Probe[P]]]:
    """The decorator for probes of one kind.

    Its arguments: `title`; `caption` (one line that says what to look for, here or in the English lesson),
    `size`, and options for the page: `edits="knob"` lets the learner set that live knob on the picture itself
    (a point, a token's position, a row's id), `selects="knob"` a stretch of its text (first token, one past
    the last), `filmstrip=True` keeps earlier images along a film, `legend=False` leaves out the names of
    `Lines` that another panel shows.
    """

    def declare(
        title: str, *, caption: str = "", size: Size = "small", **options: Any
    ) -> Callable[[Probe[P]], Probe[P]]:
        def mark(probe: Probe[P]) -> Probe[P]:
            probe.__dict__["panel"] = Panel(
                name=probe.__name__,
                kind=picture.kind,
                title=title,
                caption=caption,
                size=size,
                options=options,
            )
            return probe

        return mark

    return declare


images = panel(Images)
heatmap = panel(Heatmap)
field_map = panel(Field)
arrows = panel(Arrows)
graph = panel(Graph)
contour = panel(Contour)
bars = panel(Bars)
histogram = panel(Histogram)
attention = panel(Attention)
tokens = panel(Tokens)
traces = panel(Traces)
ranking = panel(Ranking)
lines = panel(Lines)
convolution = panel(Convolution)
maps = panel(Maps)
blueprint = panel(Blueprint)


class scalars:
    """Declare a chart of scalars as a class attribute. Needs no probe: the engine streams every scalar.

    `title`, `caption` and `size` as for a probe. `series` maps the scalar's name (`loss/train`) to its title
    in the legend. `smoothing` (0…0.99) is the weight the chart's smoothing begins with.
    """

    def __init__(
        self,
        series: Mapping[str, str],
        title: str,
        *,
        caption: str = "",
        size: Size = "small",
        log: bool = False,
        smoothing: float = 0.0,
    ) -> None:
        self.series = dict(series)
        self._rest = {"title": title, "caption": caption, "size": size}
        self._options = {"series": self.series, "log": log, "smoothing": smoothing}

    def __set_name__(self, owner: type, name: str) -> None:
        self.panel = Panel(name=name, kind="scalars", options=self._options, **self._rest)  # type: ignore[arg-type]


def panels_of(cls: type) -> dict[str, Panel]:
    """The panels a class declares, by name, base classes first, in the order they are written."""
    found: dict[str, Panel] = {}
    for base in reversed(cls.__mro__):
        for attribute in vars(base).values():
            declared = getattr(attribute, "panel", None)
            if isinstance(declared, Panel):
                found[declared.name] = declared
    return found


def split(picture: Picture) -> tuple[dict[str, Array], dict[str, Any]]:
    """A picture's arrays, and its other fields."""
    arrays: dict[str, Array] = {}
    rest: dict[str, Any] = {}
    for spec in fields(picture):  # type: ignore[arg-type]
        value = getattr(picture, spec.name)
        (arrays if isinstance(value, np.ndarray | torch.Tensor) else rest)[spec.name] = value
    return arrays, rest
