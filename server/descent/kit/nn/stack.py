"""A convolutional network from a list of rows that a learner puts together.

What a row makes of a map with side n, padded by p, with a window of f that moves by s: ⌊(n + 2p − f)/s⌋ + 1.
After the last row, what is left is flattened and a dense layer scores each class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import KnobError

MOST_ROWS = 20
MOST_PARAMETERS = 2_000_000
MOST_PRODUCTS = 20_000_000  # per picture; beyond, a step takes seconds


class Layer(BaseModel):
    """Base of the kinds of rows."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Conv(Layer):
    """Filters that move over all channels of the map."""

    kind: Literal["convolution"] = "convolution"
    filters: int = Field(default=8, ge=1, le=64)
    kernel: int = Field(default=3, ge=1, le=11)
    stride: int = Field(default=1, ge=1, le=4)
    padding: int = Field(default=1, ge=0, le=5)


class Pooling(Layer):
    """The largest, or the mean, of each window."""

    kind: Literal["pooling"] = "pooling"
    take: Literal["largest", "mean"] = "largest"
    size: int = Field(default=2, ge=2, le=8)
    stride: int = Field(default=2, ge=1, le=8)


class BatchNorm(Layer):
    """Each channel brought to mean 0 and variance 1 over the mini-batch, then scaled and shifted."""

    kind: Literal["norm"] = "norm"


class Activation(Layer):
    """A function of each value alone."""

    kind: Literal["activation"] = "activation"
    function: Literal["relu", "leaky", "tanh", "sigmoid", "gelu"] = "relu"


class Dropout(Layer):
    """Values set to 0 at random while training."""

    kind: Literal["dropout"] = "dropout"
    share: float = Field(default=0.3, ge=0, le=0.9)


class Dense(Layer):
    """Units that see all values."""

    kind: Literal["dense"] = "dense"
    units: int = Field(default=32, ge=1, le=512)


Layers = Annotated[Conv | BatchNorm | Activation | Pooling | Dropout | Dense, Field(discriminator="kind")]
Shape = tuple[int, int, int]  # channels, height, width; a vector of U values is (U, 1, 1)


def listed(rows: Sequence[Layer]) -> list[dict[str, Any]]:
    """Rows as a preset holds them, and as they travel."""
    return [row.model_dump() for row in rows]


class Planned(NamedTuple):
    """A layer before it is made: its output, its parameters, its multiplications for one picture."""

    shape: Shape
    parameters: int
    products: int


def extent(size: int, window: int, stride: int, padding: int = 0) -> int:
    """⌊(n + 2p − f)/s⌋ + 1."""
    return (size + 2 * padding - window) // stride + 1


def planned(rows: Sequence[Layer], shape: Shape, classes: int, knob: str) -> list[Planned]:
    """What each row makes of a picture of this shape, and the dense layer after the last.

    Raises `KnobError` for `knob`, naming the row, where one cannot follow those above it.
    """
    plan: list[Planned] = []
    all_parameters = all_products = 0
    is_map = True
    for number, row in enumerate([*rows, Dense(units=classes)], 1):
        channels, height, width = shape
        parameters = products = 0
        if not is_map and isinstance(row, Conv | Pooling):
            raise KnobError(
                knob, "row {row}: there is no map left after a dense layer; move it above", row=number
            )
        match row:
            case Conv(filters=filters, kernel=kernel, stride=stride, padding=padding):
                if kernel > min(height, width) + 2 * padding:
                    raise KnobError(
                        knob,
                        "row {row}: a kernel of {size} does not fit a map of {height} × "
                        "{width}; make it smaller, pad more, or pool less above",
                        row=number,
                        size=kernel,
                        height=height,
                        width=width,
                    )
                height, width = (extent(side, kernel, stride, padding) for side in (height, width))
                shape = filters, height, width
                parameters = filters * (channels * kernel**2 + 1)
                products = math.prod(shape) * channels * kernel**2
            case Pooling(size=size, stride=stride):
                if size > min(height, width):
                    raise KnobError(
                        knob,
                        "row {row}: pooling {size} would shrink a map of {height} × {width} to "
                        "nothing; pool less, or remove the row",
                        row=number,
                        size=size,
                        height=height,
                        width=width,
                    )
                shape = channels, extent(height, size, stride), extent(width, size, stride)
            case Dense(units=units):
                parameters, products = units * (math.prod(shape) + 1), units * math.prod(shape)
                shape, is_map = (units, 1, 1), False
            case BatchNorm():
                parameters = 2 * channels
        plan.append(Planned(shape, parameters, products))
        all_parameters += parameters
        all_products += products
        if all_parameters > MOST_PARAMETERS:
            raise KnobError(
                knob,
                "row {row}: the network would have {n} parameters up to here, {most} "
                "at most; use fewer filters or units, or pool above",
                row=number,
                n=all_parameters,
                most=MOST_PARAMETERS,
            )
        if all_products > MOST_PRODUCTS:
            raise KnobError(
                knob,
                "row {row}: a picture would take {n} multiplications up to here, "
                "{most} at most; use fewer filters, a larger stride, or pool above",
                row=number,
                n=all_products,
                most=MOST_PRODUCTS,
            )
    return plan


class Network(nn.Module):
    """Pictures (B, C, H, W) → scores (B, classes), by way of the rows; may raise like `planned`."""

    def __init__(self, rows: Sequence[Layer], shape: Shape, classes: int, knob: str = "layers") -> None:
        super().__init__()
        self.rows = (*rows, Dense(units=classes))
        self.plan = planned(rows, shape, classes, knob)
        self.shapes = shapes = [shape, *(one.shape for one in self.plan)]
        self.layers = nn.ModuleList(
            made(row, before, after)
            for row, before, after in zip(self.rows, shapes, shapes[1:], strict=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The scores, whose softmax are probabilities."""
        for layer in self.layers:
            x = layer(x)
        return x

    def trace(self, x: Tensor) -> list[Tensor]:
        """The pictures, and what each layer makes of them; the last are the scores."""
        found = [x]
        for layer in self.layers:
            found.append(layer(found[-1]))
        return found

    def names(self) -> list[str]:
        """What each layer is, in a word."""
        return [FUNCTIONS.get(getattr(row, "function", ""), type(row).__name__) for row in self.rows]


FUNCTIONS = {"relu": "ReLU", "leaky": "leaky ReLU", "tanh": "tanh", "sigmoid": "σ", "gelu": "GELU"}


def made(row: Layer, before: Shape, after: Shape) -> nn.Module:
    """The module of a row, its weights drawn as in He et al. 2015 (arXiv:1502.01852), biases 0."""
    module: nn.Module
    match row:
        case Conv(filters=filters, kernel=kernel, stride=stride, padding=padding):
            module = PaddedConvolution(before[0], filters, kernel, stride, padding)
        case Pooling(take="largest", size=size, stride=stride):
            module = nn.MaxPool2d(size, stride)
        case Pooling(size=size, stride=stride):
            module = nn.AvgPool2d(size, stride)
        case BatchNorm():
            module = Norm(before[0])
        case Activation(function=function):
            module = NONLINEARITIES[function]()
        case Dropout(share=share):
            module = nn.Dropout(share)
        case Dense(units=units):
            module = Flat(math.prod(before), units)
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        assert module.bias is not None
        nn.init.zeros_(module.bias)
    return module


NONLINEARITIES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
}


class PaddedConvolution(nn.Conv2d):
    """A convolution whose maps lie pixel by pixel in memory, so that a CPU is faster."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, filters, H', W')."""
        return super().forward(x).contiguous(memory_format=torch.channels_last)


class Flat(nn.Linear):
    """A dense layer on all values of a map, channel by channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) or (B, D) → (B, units)."""
        return super().forward(x.flatten(1))


class Norm(nn.BatchNorm2d):
    """Batch norm of maps or vectors. A single value has no variance: it is normalised as in a test."""

    def forward(self, x: Tensor) -> Tensor:
        """Any (B, C, …) → the same shape."""
        training = self.training and x.numel() > x.shape[1]
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training, self.momentum or 0.0
        )
