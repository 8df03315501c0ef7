"""What each layer of a network would make of a picture, found on torch's meta device: shapes, no numbers.

A window of f that moves by s makes of a map with side n, padded by p, one with side ⌊(n + 2p − f)/s⌋ + 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from descent.contract.panels import LayerType
from descent.kit.nn.densely import NormConv
from descent.kit.nn.inception import ConvReLU
from descent.kit.nn.residual import ConvNorm
from descent.kit.nn.stack import Shape, extent

UNITS = (ConvNorm, ConvReLU, NormConv)  # a convolution with its batch norm: one layer
LEAVES = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.BatchNorm2d, nn.Linear)


class LaidOut(NamedTuple):
    """A layer: its output, the size formula with its numbers, its parameters, and its multiply-adds.

    `products`: multiplications, each with an addition, for one picture. `formula` is empty for a layer
    without a window.
    """

    name: str
    type: LayerType
    shape: Shape
    formula: str
    parameters: int
    products: int


def laid_out(make: Callable[[], nn.Module], shape: Shape) -> list[LaidOut]:
    """The layers of the network that `make` makes, in the order in which a picture of this shape meets them.

    Raises `ValueError` for a picture so small that a layer would shrink its map below 1 × 1.
    """
    found: list[LaidOut] = []
    keep = nn.Identity().forward
    with torch.device("meta"), torch.no_grad():
        network = make().eval()
        inside: set[nn.Module] = set()
        for name, module in network.named_modules():
            if isinstance(module, UNITS):
                inside |= {*module.children()}
            if isinstance(module, nn.BatchNorm2d):
                module.forward = keep  # type: ignore[method-assign]  # the shape; torch's takes 1 ms here
            if isinstance(module, (*UNITS, *LEAVES)) and module not in inside:
                module.register_forward_pre_hook(_refuse_small(name))
                module.register_forward_hook(_note_layer(name, found))
        network(torch.empty(1, *shape))
    return found


def _refuse_small(name: str) -> Callable[[nn.Module, Any], None]:
    def check(module: nn.Module, inputs: Any) -> None:
        window = _moving_window(module)
        if window:
            n = min(inputs[0].shape[2:])
            f, s, p = window
            if extent(n, f, s, p) < 1:
                raise ValueError(f"{name}: a window of {f} does not fit a map of {n} × {n}, padded by {p}")

    return check


def _note_layer(name: str, found: list[LaidOut]) -> Callable[[nn.Module, Any, Any], None]:
    def note(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        shape = channels, height, width = (*output.shape[1:], 1, 1)[:3]
        formula = ""
        if window := _moving_window(module):
            n = inputs[0].shape[2]
            f, s, p = window
            formula = f"⌊({n} + 2·{p} − {f})/{s}⌋ + 1 = {extent(n, f, s, p)}"
        parameters = sum(parameter.numel() for parameter in module.parameters())
        sort: LayerType = "pooling"
        products = 0
        match getattr(module, "conv", module):
            case nn.Conv2d() as conv:
                sort = "convolution"
                products = channels * height * width * conv.in_channels * math.prod(conv.kernel_size)
            case nn.Linear() as dense:
                sort, products = "dense", dense.in_features * dense.out_features
            case nn.BatchNorm2d():
                sort = "norm"
        found.append(LaidOut(name, sort, shape, formula, parameters, products))

    return note


def _moving_window(module: nn.Module) -> tuple[int, int, int] | None:
    """f, s and p of a convolution or of pooling."""
    layer = getattr(module, "conv", module)
    if not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return None
    values = (layer.kernel_size, layer.stride, layer.padding)
    size, stride, padding = (int(value[0] if isinstance(value, tuple) else value) for value in values)
    return size, stride, padding
