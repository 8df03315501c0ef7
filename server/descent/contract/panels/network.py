"""Pictures of a network and of what its layers make of an input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from descent.contract.panels.picture import Array, LayerType, Picture, Range, Scale, check_dims


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
        check_dims("Attention", "weights", self.weights, 4)
        shape = tuple(self.weights.shape[2:])
        if shape != (len(self.queries), len(self.keys)):
            raise ValueError(
                f"invalid Attention: maps of {shape}, {len(self.queries)} queries and {len(self.keys)} keys"
            )
        if tuple(self.masked.shape) not in ((0, 0), shape):
            raise ValueError(f"invalid Attention.masked: {tuple(self.masked.shape)} for maps of {shape}")


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
        check_dims("Convolution", "input", self.input, 3)
        check_dims("Convolution", "kernel", self.kernel, 3)
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


@dataclass(kw_only=True)
class Flow(Picture):
    """Who hands what to whom: boxes with arrows between them, and in the boxes what is there now.

    Each of the N boxes has a place, column and row, a name and a note, and may show `pictures`, uint8
    (M, H, W) or (M, H, W, 3): as many as `shows` says, one box after the other. `arrows`: from and to, by
    number; those in `back` carry gradients.
    """

    names: Sequence[str]
    places: Sequence[tuple[float, float]]
    notes: Sequence[str]
    arrows: Sequence[tuple[int, int]]
    back: Sequence[tuple[int, int]] = ()
    shows: Sequence[int] = ()
    pictures: Array = field(default_factory=lambda: np.zeros((0, 1, 1), np.uint8))

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.places) == len(self.notes) == len(self.shows or self.names):
            raise ValueError("invalid Flow: names, places, notes and shows differ in length")
        if sum(self.shows) != len(self.pictures):
            raise ValueError(f"invalid Flow.pictures: {len(self.pictures)}, shown are {sum(self.shows)}")
        if any(not 0 <= end < len(self.names) for arrow in (*self.arrows, *self.back) for end in arrow):
            raise ValueError(f"invalid Flow.arrows: an end is none of the {len(self.names)} boxes")
