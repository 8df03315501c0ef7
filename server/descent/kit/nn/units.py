"""One unit of a convolutional network: what it is made of, back to the picture, and what is made of it.

Layers are counted from the picture, which is 0; a unit is its layer, channel, row and column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from descent.kit.nn.stack import Conv, Dense, Layer, Pooling, Shape

ALL = -1  # channels


class Box(NamedTuple):
    """A part of a layer's maps."""

    layer: int
    channel: int
    top: int
    left: int
    height: int
    width: int


def within(unit: Sequence[int], shapes: Sequence[Shape]) -> tuple[int, int, int, int]:
    """The unit of the network that is nearest to the one asked for."""
    layer = min(max(unit[0], 0), len(shapes) - 1)
    channel, row, column = (
        min(max(at, 0), most - 1) for at, most in zip(unit[1:], shapes[layer], strict=True)
    )
    return layer, channel, row, column


def seen(rows: Sequence[Layer], shapes: Sequence[Shape], box: Box) -> list[Box]:
    """What a box is made of, layer by layer back to the picture: the box itself first, the picture's last."""
    found = [box]
    while (box := found[-1]).layer:
        row, (_, height, width) = rows[box.layer - 1], shapes[box.layer - 1]
        match row:
            case Conv(kernel=window, stride=stride, padding=padding):
                channel = ALL
            case Pooling(size=window, stride=stride):
                channel, padding = box.channel, 0
            case Dense():
                found.append(Box(box.layer - 1, ALL, 0, 0, height, width))
                continue
            case _:
                channel, window, stride, padding = box.channel, 1, 1, 0
        top, bottom = _span(box.top, box.height, window, stride, padding, height)
        left, right = _span(box.left, box.width, window, stride, padding, width)
        found.append(Box(box.layer - 1, channel, top, left, bottom - top, right - left))
    return found


def _span(start: int, length: int, window: int, stride: int, padding: int, most: int) -> tuple[int, int]:
    """Where a window begins and ends that goes from one place to another, within the map."""
    first = start * stride - padding
    last = first + (length - 1) * stride + window
    return min(max(first, 0), most - 1), max(min(last, most), 1)


def onward(rows: Sequence[Layer], shapes: Sequence[Shape], unit: Sequence[int]) -> list[Box]:
    """What is made of a unit alone, with its neighbours at most: up to the next convolution or dense layer.

    A window that leaves it out, at the edge of a map, ends the list.
    """
    layer, channel, top, left = unit
    found = []
    for row in rows[layer:]:
        layer += 1
        _, height, width = shapes[layer]
        match row:
            case Conv() | Dense():
                break
            case Pooling(size=size, stride=stride):
                inside = [
                    at - min(at // stride, most - 1) * stride < size
                    for at, most in ((top, height), (left, width))
                ]
                if not all(inside):
                    break
                top, left = min(top // stride, height - 1), min(left // stride, width - 1)
        found.append(Box(layer, channel, top, left, 1, 1))
    return found
